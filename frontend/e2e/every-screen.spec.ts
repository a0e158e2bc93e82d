import type { Page } from '@playwright/test';
import { ADMIN, type Person, accessible, expect, picture, signIn, test } from './support/test';

/** Tablets are checked here; what each screen does, and phones and desktops in English, in the spec of the screen. */
const SIZES = [
	['phone', 360, 640],
	['tablet', 768, 1024],
	['desktop', 1440, 900]
] as const;

/** Every place of the menu: on every size, in the given language, nothing sideways, one heading, accessible. */
async function visitAll(page: Page, person: Person, language: 'en' | 'hi', more: string[] = []): Promise<void> {
	await page.addInitScript((language) => localStorage.setItem('PARAGLIDE_LOCALE', language), language);
	await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: language === 'hi' ? 'dark' : 'light' });
	await page.setViewportSize({ width: 1440, height: 900 });
	await signIn(page, person);
	const links = page.locator('nav.side li a');
	await expect(links.first()).toBeVisible();
	const places = await links.evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).pathname));
	expect(places.length).toBeGreaterThan(6);
	for (const path of [...places, ...more]) {
		await page.setViewportSize({ width: 1440, height: 900 });
		await page.goto(path);
		await expect(page.locator('h1')).toHaveCount(1);
		await expect(page.locator('html')).toHaveAttribute('lang', language);
		// The first answers are there: nothing that will still move.
		await expect(page.getByRole('status', { name: /Loading|लोड/ })).toHaveCount(0);
		await accessible(page);
		for (const [device, width, height] of SIZES) {
			await page.setViewportSize({ width, height });
			await picture(page, `every${path.replace(/[^a-z0-9]+/gi, '-').replace(/-$/, '')}-${language}-${device}`);
		}
	}
}

test.describe('every screen', () => {
	test('in Hindi, for an admin', async ({ page, warehouse }) => {
		const parent = warehouse.parentCode();
		await warehouse.pack(parent, [`C${parent}-1`, `C${parent}-2`]);
		await visitAll(page, ADMIN, 'hi', [`/bags/${parent}`, `/bags/C${parent}-1`]);
	});

	test('in English, for an admin', async ({ page, warehouse }) => {
		const parent = warehouse.parentCode();
		await warehouse.pack(parent, [`C${parent}-1`]);
		await visitAll(page, ADMIN, 'en', [`/bags/${parent}`]);
	});

	test('for a biller', async ({ page, warehouse }) => {
		await visitAll(page, await warehouse.person('biller'), 'en');
	});

	test('for a packer, in Hindi', async ({ page, warehouse }) => {
		await visitAll(page, await warehouse.person('dispatcher'), 'hi');
	});
});
