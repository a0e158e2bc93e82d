import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';
import { groups, learnPages } from './chunks';

const api = process.env.API_URL ?? 'http://127.0.0.1:8080';

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
	build: { rolldownOptions: { output: { codeSplitting: { groups } } } },
	server: { proxy: { '/api': api, '/docs': api, '/health': api, '/openapi.json': api } }
});
