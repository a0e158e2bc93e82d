import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';
import { groups, learnPages } from './chunks';
import { outputFolder } from './scripts/output-folder.js';

const api = process.env.API_URL ?? 'http://127.0.0.1:8080';
/** The API server announces each page's scripts with the page itself (see scripts/write-preloads.mjs); no other host does. */
const areScriptsAnnounced = outputFolder === 'build';
/** To ask once more for what is on its way already takes a cheap phone as long as drawing half a page. */
const onlyStyles = (_: string, files: string[]) => files.filter((file) => file.endsWith('.css'));

export default defineConfig({
	plugins: [
		paraglideVitePlugin({
			project: './project.inlang',
			outdir: './src/lib/paraglide',
			strategy: ['localStorage', 'preferredLanguage', 'baseLocale']
		}),
		sveltekit(),
		learnPages
	],
	build: {
		...(areScriptsAnnounced ? { modulePreload: { resolveDependencies: onlyStyles } } : {}),
		rolldownOptions: { output: { codeSplitting: { groups } } }
	},
	server: { proxy: { '/api': api, '/docs': api, '/health': api, '/openapi.json': api } }
});
