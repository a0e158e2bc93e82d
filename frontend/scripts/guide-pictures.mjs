// Pictures of docs/guide and README.md, from the screenshots that the browser tests took: they can't go stale.
// usage: node scripts/guide-pictures.mjs           writes docs/guide/images/*.webp
//        node scripts/guide-pictures.mjs --check   only says whether the tests took every picture that is shown
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { chromium } from '@playwright/test';

const QUALITY = 0.82;
const guide = new URL('../../docs/guide/', import.meta.url);
const images = new URL('images/', guide);
const screenshots = new URL('../test-results/screenshots/', import.meta.url);

const shown = new Set();
for (const file of await readdir(guide)) {
	if (!file.endsWith('.md')) continue;
	const text = await readFile(new URL(file, guide), 'utf8');
	for (const [, name] of text.matchAll(/\(images\/([a-z0-9-]+)\.webp\)/g)) shown.add(name);
}
const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
for (const [, name] of readme.matchAll(/docs\/guide\/images\/([a-z0-9-]+)\.webp/g)) shown.add(name);

const missing = [...shown].filter((name) => !existsSync(new URL(`${name}.png`, screenshots)));
if (missing.length > 0) {
	console.error(`The guide shows pictures that no browser test takes: ${missing.join(', ')}`);
	process.exit(1);
}
if (process.argv.includes('--check')) {
	const absent = [...shown].filter((name) => !existsSync(new URL(`${name}.webp`, images)));
	if (absent.length > 0) console.error(`Not in docs/guide/images yet: ${absent.join(', ')}. Run \`make pictures\`.`);
	else console.log(`Each of the ${shown.size} pictures of the guide is taken by the browser tests.`);
	process.exit(absent.length > 0 ? 1 : 0);
}

await rm(images, { recursive: true, force: true });
await mkdir(images, { recursive: true });
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu']
});
const page = await browser.newPage();
for (const name of shown) {
	const png = await readFile(new URL(`${name}.png`, screenshots), 'base64');
	const webp = await page.evaluate(
		async ([png, quality]) => {
			const picture = new Image();
			picture.src = `data:image/png;base64,${png}`;
			await picture.decode();
			const canvas = new OffscreenCanvas(picture.width, picture.height);
			canvas.getContext('2d').drawImage(picture, 0, 0);
			const blob = await canvas.convertToBlob({ type: 'image/webp', quality });
			const bytes = new Uint8Array(await blob.arrayBuffer());
			return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
		},
		[png, QUALITY]
	);
	await writeFile(new URL(`${name}.webp`, images), webp, 'base64');
}
await browser.close();
console.log(`Wrote ${shown.size} pictures.`);
