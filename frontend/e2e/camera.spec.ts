import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { film } from './support/film';
import { allSent, expect, PHONE, portrait, signIn, test } from './support/test';

test('the camera scans codes, each once while it is in the picture', async ({ warehouse, baseURL }) => {
	const parent = warehouse.parentCode();
	const children = [`C${parent}-1`, `C${parent}-2`];
	const folder = await mkdtemp(join(tmpdir(), 'traitortrack-film-'));
	const path = join(folder, 'codes.y4m');
	await film(path, [parent, ...children], 40, 5);
	const options = test.info().project.use.launchOptions;
	const browser = await chromium.launch({
		...options,
		args: [
			...(options?.args ?? []),
			'--use-fake-device-for-media-stream',
			'--use-fake-ui-for-media-stream',
			`--use-file-for-fake-video-capture=${path}`
		]
	});
	try {
		const context = await browser.newContext({ baseURL: baseURL ?? '', viewport: PHONE, permissions: ['camera'] });
		const page = await context.newPage();
		const wasm: string[] = [];
		page.on('response', (response) => {
			if (response.url().endsWith('.wasm')) wasm.push(response.url());
		});
		const faults: string[] = [];
		// A first visit has no session, which Chromium logs; what the CSP refuses would be here too.
		page.on('console', (message) => {
			if (message.type() === 'error' && !/status of 401/.test(message.text())) faults.push(message.text());
		});
		await signIn(page, await warehouse.person('dispatcher'), '/scan');
		// Chromium on Linux has no reader of its own: this is the WebAssembly one, and it is not there before it is needed.
		expect(await page.evaluate(() => 'BarcodeDetector' in globalThis)).toBe(false);
		expect(wasm).toEqual([]);
		await page.getByRole('button', { name: 'Camera' }).click();
		await expect(page.getByTestId('camera')).toHaveAttribute('data-reading', 'true');
		await expect(page.getByTestId('parent-code')).toHaveText(parent);
		await expect.poll(() => warehouse.childrenOf(parent).catch(() => [])).toEqual(children);
		expect(wasm.map((url) => new URL(url).origin)).toEqual([new URL(baseURL ?? '').origin]);
		await portrait(page, 'station-camera');
		await page.getByRole('button', { name: 'Close the camera' }).click();
		await expect(page.getByTestId('camera')).toBeHidden();
		await allSent(page);
		const scans = await warehouse.scansOf(parent);
		expect(new Set(scans.map((scan) => scan.source))).toEqual(new Set(['camera']));
		// The film runs in a circle: a code is scanned again when it comes back, never while it is in the picture.
		const linked = scans.filter((scan) => scan.outcome === 'linked');
		expect(linked).toHaveLength(2);
		expect(faults).toEqual([]);
	} finally {
		await browser.close();
		await rm(folder, { recursive: true, force: true });
	}
});

test('a camera that is not allowed, or not there, is said so', async ({ page, warehouse }) => {
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await page.getByRole('button', { name: 'Camera' }).click();
	await expect(page.getByTestId('camera').getByRole('alert')).toContainText(/camera/);
	await portrait(page, 'station-no-camera');
});
