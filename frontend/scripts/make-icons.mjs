// Makes the PNG icons from static/icon.svg with the Chromium of the browser tests: `node scripts/make-icons.mjs`.
import { readFile } from 'node:fs/promises';
import { chromium } from '@playwright/test';

const root = new URL('../static/', import.meta.url);
const svg = await readFile(new URL('icon.svg', root), 'utf8');
/** Launchers cut a maskable icon to any shape: its drawing keeps to the middle, its ground fills all. */
const ICONS = [
	{ file: 'icon-192.png', size: 192, drawing: 1, ground: 'transparent' },
	{ file: 'icon-512.png', size: 512, drawing: 1, ground: 'transparent' },
	{ file: 'icon-maskable-512.png', size: 512, drawing: 0.72, ground: '#1d4ed8' }
];

const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
	args: ['--no-sandbox']
});
for (const { file, size, drawing, ground } of ICONS) {
	const page = await browser.newPage({ viewport: { width: size, height: size } });
	await page.setContent(
		`<style>body{margin:0;height:100vh;display:grid;place-items:center;background:${ground}}svg{width:${drawing * 100}%}</style>${svg}`
	);
	await page.screenshot({ path: new URL(file, root).pathname, omitBackground: true });
}
await browser.close();
