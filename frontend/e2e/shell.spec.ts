import { ADMIN, DESKTOP, PHONE, accessible, expect, portrait, signIn, test } from './support/test';

const level1 = { level: 1 } as const;

test('the palette finds pages and bags, by mouse and by keyboard', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	await signIn(page, ADMIN);
	await page.setViewportSize(DESKTOP);
	await expect(page.getByRole('heading', { ...level1, name: 'Overview' })).toBeVisible();
	await page.keyboard.press('Control+k');
	const palette = page.getByRole('dialog', { name: 'Search everything' });
	await expect(palette).toBeVisible();
	await portrait(page, 'palette');
	await expect(palette.getByRole('combobox')).toBeFocused();
	await page.keyboard.type(parent.toLowerCase());
	await expect(palette.getByText(`C${parent}-1`)).toBeVisible();
	await portrait(page, 'palette-found');
	await page.keyboard.press('Escape');
	await expect(palette).toBeHidden();
	await page.keyboard.press('/');
	await expect(palette.getByRole('combobox')).toBeFocused();
	await page.keyboard.type('audit');
	await expect(palette.getByRole('option')).toHaveText([/Audit log/]);
	await page.keyboard.press('Enter');
	await expect(page).toHaveURL(/\/audit-log$/);
	await page.setViewportSize(DESKTOP);
	await page.getByRole('button', { name: 'Search everything' }).click();
	await expect(palette.getByRole('combobox')).toBeFocused();
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('ArrowUp');
	await expect(palette.getByRole('option', { selected: true })).toHaveText(/Overview/);
	await page.keyboard.type('no-such-thing-anywhere');
	await expect(palette.getByText('No results for')).toBeVisible();
});

test('keys lead to pages, but not while somebody types', async ({ page }) => {
	await signIn(page, ADMIN);
	await page.setViewportSize(DESKTOP);
	await expect(page.getByRole('heading', { ...level1, name: 'Overview' })).toBeVisible();
	await page.keyboard.press('Shift+?');
	await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
	await portrait(page, 'shortcuts');
	await page.keyboard.press('Escape');
	await expect(page.getByRole('dialog')).toBeHidden();
	await page.setViewportSize(DESKTOP);
	await page.keyboard.press('g');
	await page.keyboard.press('n');
	await expect(page.getByRole('heading', { ...level1, name: 'Notifications' })).toBeVisible();
	await page.keyboard.press('g');
	await page.keyboard.press('b');
	await expect(page.getByRole('heading', { ...level1, name: 'Bags' })).toBeVisible();
	await page.locator('[data-filter=search]').focus();
	await page.keyboard.type('gn/?');
	await expect(page.locator('[data-filter=search]')).toHaveValue('gn/?');
	await expect(page.getByRole('dialog')).toBeHidden();
});

test('the skip link leads to the content', async ({ page }) => {
	await signIn(page, ADMIN, '/settings');
	await page.setViewportSize(DESKTOP);
	await expect(page.getByRole('heading', { ...level1, name: 'Settings' })).toBeVisible();
	await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
	await page.keyboard.press('Tab');
	await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
	await page.keyboard.press('Enter');
	await expect(page.locator('#content')).toBeFocused();
	await page.keyboard.press('Tab');
	await expect(page.getByLabel('Language', { exact: true })).toBeFocused();
});

test('a phone has four places at hand and the rest behind More', async ({ page, warehouse }) => {
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'));
	const hand = page.getByRole('navigation', { name: 'Main menu' });
	await expect(hand.getByRole('link')).toHaveCount(4);
	await hand.getByRole('button', { name: 'More' }).click();
	const sheet = page.getByRole('dialog', { name: 'Menu' });
	await expect(sheet.getByRole('link', { name: 'Notifications' })).toBeVisible();
	await expect(sheet.getByRole('link', { name: 'People' })).toHaveCount(0);
	await expect(sheet.getByRole('link', { name: 'Exports' })).toHaveCount(0);
	await page.screenshot({ path: 'test-results/screenshots/more-sheet-phone-light.png' });
	await accessible(page);
	await sheet.getByRole('link', { name: 'Settings' }).click();
	await expect(page.getByRole('heading', { ...level1, name: 'Settings' })).toBeVisible();
	await expect(sheet).toBeHidden();
});

test('menus differ by role', async ({ page, browser, baseURL, warehouse }) => {
	const menuOf = async (viewer: typeof page) => {
		await viewer.setViewportSize(DESKTOP);
		return viewer.getByRole('navigation', { name: 'Menu' }).getByRole('link').allInnerTexts();
	};
	await signIn(page, ADMIN, '/settings');
	await expect(page.getByRole('heading', { ...level1, name: 'Settings' })).toBeVisible();
	expect(await menuOf(page)).toEqual(expect.arrayContaining(['People', 'Audit log', 'Imports', 'Exports']));
	const other = await browser.newPage(baseURL ? { baseURL } : {});
	await signIn(other, await warehouse.person('biller'), '/settings');
	await expect(other.getByRole('heading', { ...level1, name: 'Settings' })).toBeVisible();
	const biller = await menuOf(other);
	expect(biller).toContain('Exports');
	for (const place of ['People', 'Audit log', 'Imports', 'System']) expect(biller).not.toContain(place);
	await other.close();
});

test('high contrast, dense rows and Hindi hold on every kind of page', async ({ page, warehouse }) => {
	await warehouse.pack(warehouse.parentCode(), []);
	await page.addInitScript(() => {
		localStorage.setItem('PARAGLIDE_LOCALE', 'hi');
		localStorage.setItem('traitortrack-contrast', 'high');
		localStorage.setItem('traitortrack-density', 'compact');
	});
	await signIn(page, ADMIN, '/bags');
	await expect(page.getByRole('heading', { ...level1, name: 'बोरियाँ' })).toBeVisible();
	await portrait(page, 'bags-hindi-contrast');
	await page.goto('/profile');
	await expect(page.getByRole('heading', { ...level1, name: 'प्रोफ़ाइल' })).toBeVisible();
	await portrait(page, 'profile-hindi-contrast');
});

test('who does not get live news is told so, until they come again', async ({ page }) => {
	await page.route('**/api/v1/events', (route) => route.abort());
	await signIn(page, ADMIN, '/settings');
	await expect(page.getByText('Not live')).toBeVisible();
	await accessible(page);
	await page.unroute('**/api/v1/events');
	await expect(page.getByText('Not live')).toBeHidden();
});

test('an address that does not exist leads back', async ({ page }) => {
	await signIn(page, ADMIN, '/no/such/page');
	await expect(page.getByRole('heading', { ...level1, name: 'Not found' })).toBeVisible();
	await portrait(page, 'error-not-found');
	await page.getByRole('link', { name: 'Go to overview' }).click();
	await expect(page.getByRole('heading', { ...level1, name: 'Overview' })).toBeVisible();
});

test.describe('after a deploy', () => {
	// The service worker would have every part on the device.
	test.use({ serviceWorkers: 'block' });

	test('a part that a deploy has taken away starts the app anew, at the page that was wanted', async ({ page }) => {
		await signIn(page, ADMIN, '/settings');
		await page.setViewportSize(DESKTOP);
		await expect(page.getByRole('heading', { ...level1, name: 'Settings' })).toBeVisible();
		let missing = 0;
		await page.route('**/_app/immutable/nodes/*.js', async (route) => {
			missing += 1;
			if (missing > 1) await route.fallback();
			else await route.fulfill({ status: 404, contentType: 'text/plain', body: '' });
		});
		await page.getByRole('navigation', { name: 'Menu' }).getByRole('link', { name: 'Notifications' }).click();
		await expect(page.getByRole('heading', { ...level1, name: 'Notifications' })).toBeVisible();
		await expect(page).toHaveURL(/\/notifications$/);
		expect(missing, 'asked again after it was missing').toBeGreaterThan(1);
	});
});
