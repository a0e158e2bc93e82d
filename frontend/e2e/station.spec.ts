import type { Page } from '@playwright/test';
import { allSent, expect, PHONE, portrait, signIn, test, wedge } from './support/test';

const progress = (page: Page) => page.getByTestId('progress');
const panel = (page: Page) => page.getByTestId('result');

test('command codes undo, complete and ask for the next parent, and never reach the server', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const codes: string[] = [];
	page.on('request', (request) => {
		if (request.method() === 'POST') codes.push(request.postData() ?? '');
	});
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, 'TT-CMD-UNDO');
	await expect(page.getByRole('alert')).toContainText('Nothing to undo');
	await wedge(page, parent);
	for (const n of [1, 2, 3]) await wedge(page, `C${parent}-${n}`);
	await wedge(page, 'tt-cmd-undo');
	await wedge(page, 'TT-CMD-UNDO');
	await expect(progress(page)).toHaveText('1 / 30');
	await wedge(page, 'TT-CMD-DANCE');
	await expect(page.getByRole('alert')).toContainText('Unknown command');
	await wedge(page, 'TT-CMD-COMPLETE');
	await expect(page.getByRole('button', { name: 'Reopen' })).toBeVisible();
	await wedge(page, 'TT-CMD-NEXT');
	await expect(panel(page)).toContainText('Scan a parent bag');
	await expect(page.getByTestId('parent-code')).toBeHidden();
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual([`C${parent}-1`]);
	expect((await warehouse.bag(parent)).status).toBe('completed');
	expect(codes.join().toUpperCase()).not.toContain('TT-CMD');
	const next = warehouse.parentCode();
	await wedge(page, next);
	await expect(page.getByTestId('parent-code')).toHaveText(next);
});

test('the page of command codes prints each as a QR code', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('dispatcher'), '/scan/codes');
	for (const name of ['TT-CMD-UNDO', 'TT-CMD-NEXT', 'TT-CMD-COMPLETE'])
		await expect(page.getByRole('img', { name })).toBeVisible();
	await portrait(page, 'station-codes');
});

test('the keypad takes a code in gloves', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await page.getByRole('button', { name: 'Keypad' }).click();
	await portrait(page, 'station-keypad');
	await page.setViewportSize(PHONE);
	await page.getByRole('button', { name: 'SB', exact: true }).click();
	for (const digit of parent.slice(2)) await page.getByRole('button', { name: digit, exact: true }).click();
	await page.getByRole('button', { name: '9', exact: true }).click();
	await page.getByRole('button', { name: 'Delete the last character' }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Enter' }).click();
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await allSent(page);
	expect((await warehouse.scansOf(parent)).map((scan) => scan.source)).toEqual(['keypad']);
});

test('a dispatcher who meets a bag that is elsewhere is told whom to ask', async ({ page, warehouse }) => {
	const [parent, other] = [warehouse.parentCode(), warehouse.parentCode()];
	const packer = await warehouse.person('dispatcher');
	await signIn(page, packer, '/scan');
	await wedge(page, other);
	await wedge(page, `C${other}-1`);
	await wedge(page, parent);
	await wedge(page, `C${other}-1`);
	await expect(panel(page)).toContainText(`Already in ${other}`);
	await expect(panel(page)).toContainText('Ask a biller or an admin');
	await expect(page.getByRole('button', { name: 'Move it here' })).toBeHidden();
	await page.setViewportSize(PHONE);
	await portrait(page, 'station-ask');
});

test('scanners that end with Tab, or with more than Enter, press no button and lose no scan', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent, 'Tab');
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await wedge(page, `C${parent}-1`);
	await expect(progress(page)).toHaveText('1 / 30');
	await page.getByRole('button', { name: 'Undo', exact: true }).focus();
	for (const n of [2, 3, 4, 5]) {
		const keys = [...`C${parent}-${n}`, 'Enter', 'Enter'];
		await Promise.all(keys.map((key) => page.keyboard.press(key)));
	}
	await expect(progress(page)).toHaveText('5 / 30');
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toHaveLength(5);
	await expect(page.locator('[data-outcome=undone]')).toHaveCount(0);
});

test('all that a packer needs fits on the smallest phone without scrolling', async ({ page, warehouse }) => {
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, warehouse.parentCode());
	await expect(panel(page)).toContainText('Parent open');
	for (const part of [panel(page), progress(page), page.getByRole('button', { name: 'Undo', exact: true })])
		await expect(part).toBeInViewport({ ratio: 1 });
	for (const name of ['Undo', 'Complete', 'Next parent bag', 'Keypad']) {
		const box = await page.getByRole('button', { name, exact: true }).boundingBox();
		expect(box?.height, name).toBeGreaterThanOrEqual(60);
	}
});
