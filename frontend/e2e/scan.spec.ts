import type { Page } from '@playwright/test';
import { PHONE, allSent, expect, portrait, signIn, test, wedge } from './support/test';

// Portraits are checked for accessibility one by one, which takes its time.

const childCodes = (parent: string, count: number) =>
	Array.from({ length: count }, (_, n) => `C${parent}-${String(n + 1).padStart(2, '0')}`);
const progress = (page: Page) => page.getByTestId('progress');
const panel = (page: Page) => page.getByTestId('result');

test('a packer fills a parent with thirty children by scanner', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 30);
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await expect(panel(page)).toContainText('Scan a parent bag');
	await portrait(page, 'scan-empty');
	await page.setViewportSize(PHONE);

	await wedge(page, parent);
	await expect(panel(page)).toContainText('Parent open');
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	for (const child of children.slice(0, 15)) await wedge(page, child);
	await allSent(page);
	await expect(progress(page)).toHaveText('15 / 30');
	await portrait(page, 'scan-half');
	await page.setViewportSize(PHONE);
	for (const child of children.slice(15)) await wedge(page, child);
	await allSent(page);
	await expect(progress(page)).toHaveText('30 / 30');
	await expect(panel(page)).toContainText('Bag is full');
	await portrait(page, 'scan-full');

	expect(await warehouse.childrenOf(parent)).toEqual(children);
	expect((await warehouse.bag(parent)).status).toBe('completed');
	const scans = await warehouse.scansOf(parent);
	expect(scans).toHaveLength(31);
	expect(new Set(scans.map((scan) => scan.source))).toEqual(new Set(['wedge']));

	await wedge(page, `C${parent}-31`);
	await expect(panel(page)).toContainText('NOT added: bag is full');
	expect(await warehouse.childrenOf(parent)).toHaveLength(30);
});

test('every outcome is told apart', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const other = warehouse.parentCode();
	await warehouse.pack(other, ['ELSEWHERE-1']);
	await signIn(page, await warehouse.person('biller'), '/scan');
	await wedge(page, parent);
	await wedge(page, `C${parent}-1`);
	await expect(panel(page)).toContainText('In the bag');
	await wedge(page, `C${parent}-1`);
	await expect(panel(page)).toContainText('Already in this bag');
	await portrait(page, 'scan-again');
	await wedge(page, 'ELSEWHERE-1');
	await expect(panel(page)).toContainText(`Already in ${other}`);
	await portrait(page, 'scan-elsewhere');
	await page.getByRole('button', { name: 'Move it here' }).click();
	await expect(progress(page)).toHaveText('2 / 30');
	expect(await warehouse.childrenOf(parent)).toEqual([`C${parent}-1`, 'ELSEWHERE-1']);
	expect(await warehouse.childrenOf(other)).toEqual([]);
	await wedge(page, 'NOT A CODE?');
	await expect(panel(page)).toContainText('Not a bag code');
	await portrait(page, 'scan-invalid');
	expect(await warehouse.childrenOf(parent)).toHaveLength(2);
});

test('a packer takes the last scan back', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await wedge(page, `C${parent}-1`);
	await wedge(page, `C${parent}-2`);
	await allSent(page);
	await page.getByRole('button', { name: 'Undo', exact: true }).click();
	await expect(progress(page)).toHaveText('1 / 30');
	await expect(page.locator('[data-outcome=undone]')).toContainText(`C${parent}-2`);
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual([`C${parent}-1`]);
	await page.getByRole('button', { name: `Undo C${parent}-1` }).click();
	await expect(progress(page)).toHaveText('0 / 30');
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual([]);
});

test('typing works, and a scan while typing leaves the field alone', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	const field = page.getByLabel('Type a code');
	await field.pressSequentially(parent.toLowerCase(), { delay: 90 });
	await field.press('Enter');
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await field.pressSequentially('slow', { delay: 90 });
	await page.waitForTimeout(200);
	await wedge(page, `C${parent}-1`);
	await expect(progress(page)).toHaveText('1 / 30');
	await expect(field).toHaveValue('slow');
	await allSent(page);
	expect((await warehouse.scansOf(parent)).map((scan) => scan.source)).toEqual(['wedge', 'keypad']);
});

test('a parent is completed early and opened again', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await wedge(page, `C${parent}-1`);
	await allSent(page);
	await page.getByRole('button', { name: 'Complete' }).click();
	await expect(page.getByRole('button', { name: 'Reopen' })).toBeVisible();
	await allSent(page);
	expect((await warehouse.bag(parent)).status).toBe('completed');
	await page.getByRole('button', { name: 'Reopen' }).click();
	await expect(page.getByRole('button', { name: 'Complete' })).toBeVisible();
	await allSent(page);
	expect((await warehouse.bag(parent)).status).toBe('open');
});

test('scans made without a network are kept over a reload and sent once', async ({ page, context, warehouse }) => {
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 12);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await allSent(page);
	await context.setOffline(true);
	for (const child of children.slice(0, 6)) await wedge(page, child);
	await expect(page.locator('[data-waiting]')).toHaveAttribute('data-waiting', '6');
	await expect(page.locator('[data-waiting]')).toContainText('every scan is saved');
	await portrait(page, 'scan-offline');
	expect(await warehouse.childrenOf(parent)).toEqual([]);
	// The answer is lost on its way: the server has the scans, the device does not know.
	let lost = 0;
	await page.route('**/api/v1/scans/batch', async (route) => {
		await route.fetch();
		lost += 1;
		await route.abort('connectionreset');
	});
	await context.setOffline(false);
	await expect.poll(() => lost).toBeGreaterThan(0);
	await page.unroute('**/api/v1/scans/batch');
	await page.reload();
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	for (const child of children.slice(6)) await wedge(page, child);
	await allSent(page);
	await expect(progress(page)).toHaveText('12 / 30');
	expect(await warehouse.childrenOf(parent)).toEqual(children);
	expect(await warehouse.scansOf(parent)).toHaveLength(13);
});

test('a burst of scans is kept in order while the server is slow', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 20);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await page.route('**/api/v1/scans**', async (route) => {
		await new Promise((wait) => setTimeout(wait, 400));
		await route.continue();
	});
	await wedge(page, parent);
	for (const child of children) await wedge(page, child);
	await expect(page.locator('li[data-outcome]')).toHaveCount(21);
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual(children);
});

test('the station speaks Hindi', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await page.goto('/');
	await page.getByLabel('Language').selectOption('hi');
	await expect(page.locator('html')).toHaveAttribute('lang', 'hi');
	await expect(page.getByRole('heading', { name: 'साइन इन करें' })).toBeVisible();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await expect(panel(page)).toContainText('बड़ी बोरी खुली');
	await portrait(page, 'scan-hindi');
	await page.goto('/');
	await expect(page.getByRole('heading', { name: 'सारांश' })).toBeVisible();
	await portrait(page, 'dashboard-hindi');
});

test('settings are remembered', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await page.getByRole('button', { name: 'Settings' }).click();
	for (const name of ['Sound', 'Larger text', 'Left-handed layout']) {
		await page.getByRole('switch', { name }).click();
	}
	await portrait(page, 'scan-settings');
	await page.reload();
	await page.getByRole('button', { name: 'Settings' }).click();
	await expect(page.getByRole('switch', { name: 'Sound' })).toHaveAttribute('aria-checked', 'false');
	await expect(page.getByRole('switch', { name: 'Vibration' })).toHaveAttribute('aria-checked', 'true');
	await page.keyboard.press('Escape');
	await expect(page.getByRole('dialog')).toBeHidden();
	await portrait(page, 'scan-left-handed');
});
