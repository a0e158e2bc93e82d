// JavaScript that each page loads at first, as brotli: start, app, layouts and the page, with all that they import.
import { readFile } from 'node:fs/promises';
import { brotliCompressSync } from 'node:zlib';
import { outputFolder } from './output-folder.js';

const SCAN_KB = 70;
const OTHER_KB = 150;
const root = new URL('../.svelte-kit/output/client/', import.meta.url);
const manifest = JSON.parse(await readFile(new URL('.vite/manifest.json', root), 'utf8'));
const shell = await readFile(new URL(`../${outputFolder}/index.html`, import.meta.url), 'utf8');

const keys = Object.keys(manifest);
const node = (n) => keys.find((key) => key.endsWith(`generated/client-optimized/nodes/${n}.js`));
/** Nodes 0 and 1 are the root layout and the error page; what the page itself loads besides is in its HTML. */
const always = keys.filter((key) => shell.includes(manifest[key].file)).concat(node(0));
const sizes = new Map();

async function size(file) {
	if (!sizes.has(file)) sizes.set(file, brotliCompressSync(await readFile(new URL(file, root))).length);
	return sizes.get(file);
}

function filesOf(entries) {
	const seen = new Set();
	const visit = (key) => {
		if (seen.has(key)) return;
		seen.add(key);
		for (const imported of manifest[key].imports ?? []) visit(imported);
	};
	entries.forEach(visit);
	return [...seen].map((key) => manifest[key].file).filter((file) => file.endsWith('.js'));
}

const app = await readFile(
	new URL(manifest[keys.find((key) => key.endsWith('client-optimized/app.js'))].file, root),
	'utf8'
);
const dictionary = /\{("\/[^}]*)\}/.exec(app)?.[0];
if (!dictionary) throw new Error('the routes were not found in the built app');
const routes = [...dictionary.matchAll(/"(\/[^"]*)":\[(\d+)(?:,\[([\d,]*)\])?/g)].map(([, route, n, layouts = '']) => [
	route.replace(/\/\([^)]*\)/g, '') || '/',
	[n, ...layouts.split(',').filter(Boolean)].map(Number)
]);
if (routes.length === 0) throw new Error('no routes in the built app');

let isOver = false;
for (const [route, nodes] of routes) {
	const files = filesOf([...always, ...nodes.map(node)]);
	const bytes = (await Promise.all(files.map(size))).reduce((sum, one) => sum + one, 0);
	const budget = route === '/scan' ? SCAN_KB : OTHER_KB;
	const kb = bytes / 1000;
	if (kb > budget) isOver = true;
	console.log(`${kb > budget ? 'OVER' : 'ok  '} ${kb.toFixed(1).padStart(6)} of ${budget} kB  ${route}`);
}
process.exit(isOver ? 1 : 0);
