import type { Page } from '@playwright/test';
import { ADMIN, allSent, expect, PHONE, portrait, signIn, test, wedge } from './support/test';

const panel = (page: Page) => page.getByTestId('result');
const progress = (page: Page) => page.getByTestId('progress');

test('a biller puts parents on a bill by scanning them, and sees what comes of each', async ({ page, warehouse }) => {
	const bill = await warehouse.bill([], 2);
	const otherBill = await warehouse.bill([], 5);
	const [a, b, c, empty] = [1, 2, 3, 4].map(() => warehouse.parentCode()) as [string, string, string, string];
	for (const parent of [a, b, c]) await warehouse.pack(parent, [`C${parent}-1`]);
	await warehouse.pack(empty, []);
	await page.setViewportSize(PHONE);
	await signIn(page, ADMIN, '/scan');
	await page.getByRole('button', { name: 'Settings' }).click();
	await page.getByRole('button', { name: 'Fill a bill' }).click();
	await expect(page.getByRole('button', { name: new RegExp(otherBill) })).toBeVisible();
	await portrait(page, 'bill-mode-picker');
	await page.setViewportSize(PHONE);
	await page.getByRole('button', { name: new RegExp(otherBill) }).click();
	await expect(page.getByTestId('bill-number')).toHaveText(otherBill);
	await wedge(page, c);
	await expect(panel(page)).toContainText('Added to the bill');

	await page.goto(`/scan?bill=${bill.toLowerCase()}`);
	await expect(progress(page)).toHaveText('0 / 2');
	await wedge(page, a);
	await expect(panel(page)).toContainText('Added to the bill');
	await expect(panel(page)).toContainText('Not completed yet');
	await expect(page.getByTestId('weight')).toHaveText('1 kg of 60 kg');
	await portrait(page, 'bill-mode-added');
	await page.setViewportSize(PHONE);
	await wedge(page, a);
	await expect(panel(page)).toContainText('Already on this bill');
	await wedge(page, c);
	await expect(panel(page)).toContainText(`Already on ${otherBill}`);
	await portrait(page, 'bill-mode-refused');
	await wedge(page, empty);
	await expect(panel(page)).toContainText('The bag is empty');
	await wedge(page, `C${a}-1`);
	await expect(panel(page)).toContainText('Wrong kind of bag');
	await wedge(page, 'SB00000');
	await expect(panel(page)).toContainText('Unknown bag');
	await wedge(page, b);
	await expect(progress(page)).toHaveText('2 / 2');
	await wedge(page, warehouse.parentCode());
	// Answered first: an undo takes the newest scan back, one on its way included.
	await allSent(page);
	expect(await warehouse.bagsOnBill(bill)).toHaveLength(2);
	await wedge(page, 'TT-CMD-UNDO');
	await expect(progress(page)).toHaveText('1 / 2');
	await allSent(page);
	expect(await warehouse.bagsOnBill(bill)).toEqual([a]);
	await page.getByRole('link', { name: 'Back to packing' }).click();
	await expect(panel(page)).toContainText('Scan a parent bag');
});

test('bags scanned for a bill without a network are kept and put on it once', async ({ page, context, warehouse }) => {
	const bill = await warehouse.bill([], 5);
	const parents = [1, 2, 3].map(() => warehouse.parentCode());
	for (const parent of parents) await warehouse.pack(parent, [`C${parent}-1`]);
	await signIn(page, await warehouse.person('biller'), `/scan?bill=${bill}`);
	await expect(progress(page)).toHaveText('0 / 5');
	await context.setOffline(true);
	for (const parent of parents) await wedge(page, parent);
	await wedge(page, 'TT-CMD-UNDO');
	await expect(progress(page)).toHaveText('2 / 5');
	// The first answer is lost on its way.
	await page.route(
		'**/api/v1/bills/*/bags',
		async (route) => {
			await route.fetch();
			await route.abort('connectionreset');
		},
		{ times: 1 }
	);
	await context.setOffline(false);
	await allSent(page);
	expect(await warehouse.bagsOnBill(bill)).toEqual(expect.arrayContaining(parents.slice(0, 2)));
	expect(await warehouse.bagsOnBill(bill)).toHaveLength(2);
	// The first was sent twice, and is told as it was the first time.
	await expect(page.locator('li[data-outcome=added]')).toHaveCount(2);
});

test('a dispatcher has no bill mode', async ({ page, warehouse }) => {
	const bill = await warehouse.bill([], 5);
	await signIn(page, await warehouse.person('dispatcher'), `/scan?bill=${bill}`);
	await expect(panel(page)).toContainText('Scan a parent bag');
	await expect(page.getByTestId('bill-number')).toBeHidden();
});
