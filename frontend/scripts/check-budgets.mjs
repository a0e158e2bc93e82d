// JavaScript that each page loads at first, as brotli: start, app, layouts and the page, with all that they import.
import { readFile } from 'node:fs/promises';
import { brotliCompressSync } from 'node:zlib';
import { client, routes } from './built-routes.mjs';

const SCAN_KB = 70;
const OTHER_KB = 150;
/** @type {Map<string, number>} */
const sizes = new Map();

async function size(/** @type {string} */ file) {
	const known = sizes.get(file);
	if (known !== undefined) return known;
	const bytes = brotliCompressSync(await readFile(new URL(file, client))).length;
	sizes.set(file, bytes);
	return bytes;
}

let isOver = false;
for (const { route, scripts } of routes) {
	const bytes = (await Promise.all(scripts.map(size))).reduce((sum, one) => sum + one, 0);
	const budget = route === '/scan' ? SCAN_KB : OTHER_KB;
	const kb = bytes / 1000;
	if (kb > budget) isOver = true;
	console.log(`${kb > budget ? 'OVER' : 'ok  '} ${kb.toFixed(1).padStart(6)} of ${budget} kB  ${route}`);
}
process.exit(isOver ? 1 : 0);
