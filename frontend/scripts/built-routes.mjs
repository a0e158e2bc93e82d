// What the build made for each page: read from Vite's manifest and SvelteKit's table of routes.
import { readFile } from 'node:fs/promises';
import { outputFolder } from './output-folder.js';

/** Where the built files are, under the names that the pages ask for. */
export const client = new URL('../.svelte-kit/output/client/', import.meta.url);
export const output = new URL(`../${outputFolder}/`, import.meta.url);

const manifest = JSON.parse(await readFile(new URL('.vite/manifest.json', client), 'utf8'));
/** The page's HTML. */
export const page = await readFile(new URL('index.html', output), 'utf8');

const keys = Object.keys(manifest);
const nodeKey = (n) => keys.find((key) => key.endsWith(`generated/client-optimized/nodes/${n}.js`));
/** Nodes 0 and 1 are the root layout and the error page; what the page itself loads besides is in its HTML. */
const always = keys.filter((key) => page.includes(manifest[key].file)).concat(nodeKey(0));

/** Files that these modules need before they run: their scripts and styles. */
function filesOf(entries) {
	const seen = new Set();
	const styles = new Set();
	const visit = (key) => {
		if (seen.has(key)) return;
		seen.add(key);
		for (const style of manifest[key].css ?? []) styles.add(style);
		for (const imported of manifest[key].imports ?? []) visit(imported);
	};
	entries.forEach(visit);
	const scripts = [...seen].map((key) => manifest[key].file).filter((file) => file.endsWith('.js'));
	return { scripts, styles: [...styles] };
}

const app = await readFile(
	new URL(manifest[keys.find((key) => key.endsWith('client-optimized/app.js'))].file, client),
	'utf8'
);
const dictionary = /\{("\/[^}]*)\}/.exec(app)?.[0];
if (!dictionary) throw new Error('the routes were not found in the built app');

/** Each page's route without its groups, and what is loaded to show it. */
export const routes = [...dictionary.matchAll(/"(\/[^"]*)":\[(\d+)(?:,\[([\d,]*)\])?/g)].map(
	([, route, n, layouts = '']) => {
		const nodes = [n, ...layouts.split(',').filter(Boolean)].map(Number);
		return { route: route.replace(/\/\([^)]*\)/g, '') || '/', ...filesOf([...always, ...nodes.map(nodeKey)]) };
	}
);
if (routes.length === 0) throw new Error('no routes in the built app');

/** Whether the page's HTML names this file. */
export const isInPage = (file) => page.includes(file);
