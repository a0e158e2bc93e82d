// What the build made for each page: read from Vite's manifest and SvelteKit's table of routes.
import { readFile } from 'node:fs/promises';
import { outputFolder } from './output-folder.js';

/** Where the built files are, under the names that the pages ask for. */
export const client = new URL('../.svelte-kit/output/client/', import.meta.url);
export const output = new URL(`../${outputFolder}/`, import.meta.url);

const manifest = /** @type {import('vite').Manifest} */ (
	JSON.parse(await readFile(new URL('.vite/manifest.json', client), 'utf8'))
);

/** The entry of a module in the manifest. */
function entryOf(/** @type {string} */ key) {
	const entry = manifest[key];
	if (!entry) throw new Error(`${key} is not in the manifest`);
	return entry;
}

/** The page's HTML. */
export const page = await readFile(new URL('index.html', output), 'utf8');

const keys = Object.keys(manifest);
const keyOf = (/** @type {string} */ end) => keys.find((key) => key.endsWith(end)) ?? end;
const nodeKey = (/** @type {number} */ n) => keyOf(`generated/client-optimized/nodes/${n}.js`);
/** Nodes 0 and 1 are the root layout and the error page; what the page itself loads besides is in its HTML. */
const always = keys.filter((key) => page.includes(entryOf(key).file)).concat(nodeKey(0));

/**
 * Files that these modules need before they run: their scripts and styles.
 *
 * @param {string[]} entries
 */
function filesOf(entries) {
	/** @type {Set<string>} */
	const seen = new Set();
	/** @type {Set<string>} */
	const styles = new Set();
	const visit = (/** @type {string} */ key) => {
		if (seen.has(key)) return;
		seen.add(key);
		for (const style of entryOf(key).css ?? []) styles.add(style);
		for (const imported of entryOf(key).imports ?? []) visit(imported);
	};
	entries.forEach(visit);
	const scripts = [...seen].map((key) => entryOf(key).file).filter((file) => file.endsWith('.js'));
	return { scripts, styles: [...styles] };
}

const app = await readFile(new URL(entryOf(keyOf('client-optimized/app.js')).file, client), 'utf8');
const dictionary = /\{("\/[^}]*)\}/.exec(app)?.[0];
if (!dictionary) throw new Error('the routes were not found in the built app');

/** Each page's route without its groups, and what is loaded to show it. */
export const routes = [...dictionary.matchAll(/"(\/[^"]*)":\[(\d+)(?:,\[([\d,]*)\])?/g)].map(
	([, route = '', n = '', layouts = '']) => {
		const nodes = [n, ...layouts.split(',').filter(Boolean)].map(Number);
		return { route: route.replace(/\/\([^)]*\)/g, '') || '/', ...filesOf([...always, ...nodes.map(nodeKey)]) };
	}
);
if (routes.length === 0) throw new Error('no routes in the built app');

/** Whether the page's HTML names this file. */
export const isInPage = (/** @type {string} */ file) => page.includes(file);
