import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

const api = process.env.API_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
	plugins: [
		paraglideVitePlugin({
			project: './project.inlang',
			outdir: './src/lib/paraglide',
			strategy: ['localStorage', 'preferredLanguage', 'baseLocale']
		}),
		sveltekit()
	],
	build: {
		rolldownOptions: {
			output: {
				// What every page needs, in one piece: dozens of small ones compress worse and come later.
				codeSplitting: { groups: [{ name: 'base', test: /node_modules[\\/](svelte|@sveltejs|openapi-fetch|esm-env)[\\/]/ }] }
			}
		}
	},
	server: { proxy: { '/api': api, '/docs': api, '/health': api, '/openapi.json': api } }
});
