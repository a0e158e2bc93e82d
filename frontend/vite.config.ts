import { readdirSync, readFileSync } from 'node:fs';
import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

const api = process.env.API_URL ?? 'http://127.0.0.1:8080';

const STATION = 'src/lib/features/scan';

/** Icons of the scan station. */
const stationIcons = new Set(
	readdirSync(STATION)
		.filter((name) => name.endsWith('.svelte'))
		.flatMap((name) => [
			...readFileSync(`${STATION}/${name}`, 'utf8').matchAll(/@lucide\/svelte\/icons\/([a-z0-9-]+)/g)
		])
		.map(([, icon]) => icon)
);

/**
 * What comes in one piece. Left alone, each module that two pages share would be a file of its own: dozens of small
 * ones compress worse and come later, and the scan station's first load has a budget.
 */
const pieces = [
	{
		name: 'base',
		test: /node_modules\/(svelte|@sveltejs|openapi-fetch|esm-env)\/|src\/lib\/(api\/(client|address|errors|problems)|clock|exclusive|session|theme|uuidv7|format|entrances|refresh-lock|remembered-person|after-deploy|app-update|paraglide\/runtime)\b|lucide\/svelte\/dist\/(Icon|utils|defaultAttributes)/
	},
	{
		name: 'station',
		test: (id: string) =>
			stationIcons.has(/lucide\/svelte\/dist\/icons\/([a-z0-9-]+)\.svelte$/.exec(id)?.[1] ?? '') ||
			/features\/scan\/(ToneIcon|Ring|feed|commands|outcome|feedback|listen|wedge|settings)\b/.test(id)
	}
];

export default defineConfig({
	plugins: [
		paraglideVitePlugin({
			project: './project.inlang',
			outdir: './src/lib/paraglide',
			strategy: ['localStorage', 'preferredLanguage', 'baseLocale']
		}),
		sveltekit()
	],
	build: { rolldownOptions: { output: { codeSplitting: { groups: [...pieces] } } } },
	server: { proxy: { '/api': api, '/docs': api, '/health': api, '/openapi.json': api } }
});
