import { mkdir } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import { type Page, test as base, expect } from '@playwright/test';
import { type Person, Warehouse } from './warehouse';

export { expect };
export { ADMIN, type Person } from './warehouse';

interface WorkerFixtures {
	warehouse: Warehouse;
}

interface TestFixtures {
	/** Watches the page: no request to any other host, nothing refused by the CSP, no error in the console. */
	watched: undefined;
}

/**
 * Noise of the browser itself: a refused request is shown to the person, and its status logged by Chromium; so is a
 * service worker that can't be fetched because the network is cut.
 */
const EXPECTED = /Failed to load resource|An unknown error occurred when fetching the script/;

export const test = base.extend<TestFixtures, WorkerFixtures>({
	warehouse: [
		// eslint-disable-next-line no-empty-pattern -- Playwright reads the fixtures used from this pattern
		async ({}, use) => {
			const warehouse = await Warehouse.open();
			await use(warehouse);
			await warehouse.server.stop();
		},
		{ scope: 'worker', timeout: 600_000 }
	],
	baseURL: async ({ warehouse }, use) => use(warehouse.server.url),
	watched: [
		async ({ page }, use) => {
			const faults: string[] = [];
			page.on('request', (request) => {
				const { hostname, protocol } = new URL(request.url());
				if (protocol.startsWith('http') && hostname !== '127.0.0.1') faults.push(`request to ${request.url()}`);
			});
			page.on('console', (message) => {
				if (message.type() === 'error' && !EXPECTED.test(message.text())) faults.push(message.text());
			});
			page.on('pageerror', (error) => faults.push(error.message));
			await use(undefined);
			expect(faults).toEqual([]);
		},
		{ auto: true }
	]
});

/** Signs in at the page the person wants to see. */
export async function signIn(page: Page, person: Person, path = '/'): Promise<void> {
	await page.goto(path);
	await page.locator('#username').fill(person.username);
	await page.locator('#password').fill(person.password);
	await page.locator('form [type=submit]').click();
	await expect(page.locator('#password')).toBeHidden();
}

/** When the scanner sent its last key, in seconds since 1970. */
let lastKeyAt = 0;
const KEY_GAP_SECONDS = 0.005;
const END_KEYS = {
	Enter: { code: 'Enter', text: '\r', windowsVirtualKeyCode: 13 },
	Tab: { code: 'Tab', windowsVirtualKeyCode: 9 }
};

/** What a keyboard-wedge scanner does: the keys of a code without a pause, then Enter or Tab. */
export async function wedge(page: Page, code: string, end: keyof typeof END_KEYS = 'Enter'): Promise<void> {
	await wedgeAll(page, [code], end);
}

/**
 * Bursts of several codes. Each key carries the time when it was struck, and no key waits for what the page does with
 * the key before: however busy the machine is, the burst is as fast as a scanner's.
 */
export async function wedgeAll(page: Page, codes: string[], end: keyof typeof END_KEYS = 'Enter'): Promise<void> {
	const cdp = await page.context().newCDPSession(page);
	lastKeyAt = Math.max(lastKeyAt, Date.now() / 1000);
	const strokes = codes.flatMap((code) => [
		...[...code].map((key) => ({ key, text: key })),
		{ key: end, ...END_KEYS[end] }
	]);
	await Promise.all(
		strokes.flatMap((stroke) => {
			lastKeyAt += KEY_GAP_SECONDS;
			return [
				cdp.send('Input.dispatchKeyEvent', { type: 'keyDown', timestamp: lastKeyAt, ...stroke }),
				cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', timestamp: lastKeyAt, ...stroke, text: undefined })
			];
		})
	);
	await cdp.detach();
}

/** Waits until every scan on the device has been answered. */
export async function allSent(page: Page): Promise<void> {
	await expect(page.locator('[data-waiting]')).toHaveAttribute('data-waiting', '0');
}

/** So many acts wait, and all of them are safe on the device. */
export async function waiting(page: Page, count: number): Promise<void> {
	await expect(page.locator('[data-waiting]')).toHaveAttribute('data-waiting', String(count));
	await expect(page.locator('[data-waiting]')).toHaveAttribute('data-keeping', '0');
}

/** The app is on the device, and this page is looked after by its service worker. */
export async function keptOnDevice(page: Page): Promise<void> {
	await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
	await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
}

/** Scrolls to what is drawn when somebody comes near it, and back: all of the page is there, with what it shows. */
export async function whole(page: Page): Promise<void> {
	const undrawn = page.locator('[data-undrawn]');
	// What a changed size of the window asks for is drawn in the next frames.
	await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 50))));
	if ((await undrawn.count()) === 0) return;
	const top = await page.evaluate(() => window.scrollY);
	await expect(async () => {
		await page.evaluate(() => document.querySelector('[data-undrawn]')?.scrollIntoView());
		expect(await undrawn.count()).toBe(0);
	}).toPass({ intervals: [50] });
	await page.evaluate((top) => window.scrollTo(0, top), top);
	await expect(page.locator('.skeleton')).toHaveCount(0);
}

/** No violation of WCAG 2.2 A and AA on the screen as it is. */
export async function accessible(page: Page): Promise<void> {
	await whole(page);
	const { violations } = await new AxeBuilder({ page })
		// One frame, one origin: no second page is needed to put results together.
		.setLegacyMode(true)
		.options({ resultTypes: ['violations'] })
		.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
		.analyze();
	expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

const SCREENSHOTS = 'test-results/screenshots';
export const PHONE = { width: 360, height: 640 };
export const DESKTOP = { width: 1440, height: 900 };

/** Keeps a picture of the screen as it is, and checks that nothing has to be pushed sideways to be seen. */
export async function picture(page: Page, name: string): Promise<void> {
	await whole(page);
	await mkdir(SCREENSHOTS, { recursive: true });
	await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
	const overflow = await page.evaluate(
		() => document.documentElement.scrollWidth - document.documentElement.clientWidth
	);
	expect(overflow, `${name} scrolls sideways`).toBe(0);
}

/** Keeps what people see, on a phone and a desktop, light and dark; checks each for accessibility and sideways scroll. */
export async function portrait(page: Page, name: string): Promise<void> {
	for (const [device, viewport] of [
		['phone', PHONE],
		['desktop', DESKTOP]
	] as const) {
		for (const colorScheme of ['light', 'dark'] as const) {
			await page.setViewportSize(viewport);
			await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
			await picture(page, `${name}-${device}-${colorScheme}`);
			// Each layout once and each theme once: what is left is the same document in the same colours.
			if ((device === 'phone') === (colorScheme === 'light')) await accessible(page);
		}
	}
}
