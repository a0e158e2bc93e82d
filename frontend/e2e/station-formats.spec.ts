import type { Page } from '@playwright/test';
import { allSent, expect, keptOnDevice, PHONE, portrait, signIn, test, waiting, wedge } from './support/test';

const progress = (page: Page) => page.getByTestId('progress');
const panel = (page: Page) => page.getByTestId('result');
const openParent = (page: Page) => page.getByTestId('parent-code');

test('a parent of a format that an admin adds meanwhile opens by a scan, and the next child lands in it', async ({
	page,
	warehouse
}) => {
	const old = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, old);
	await wedge(page, `C${old}-1`);
	await allSent(page);
	await warehouse.addFormat({ name: 'Wheat', kind: 'parent', pattern: 'WH[0-9]{6}', capacity: 12 });
	await wedge(page, 'WH000001');
	await wedge(page, 'CW-1');
	await expect(openParent(page)).toHaveText('WH000001');
	await allSent(page);
	await expect(progress(page)).toHaveText('1 / 12');
	expect(await warehouse.childrenOf('WH000001')).toEqual(['CW-1']);
	expect(await warehouse.childrenOf(old)).toEqual([`C${old}-1`]);
	// From now on the station knows the format by itself.
	await wedge(page, 'WH000002');
	await expect(openParent(page)).toHaveText('WH000002');
	await expect(progress(page)).toHaveText('0 / 12');
	await wedge(page, old);
	await expect(openParent(page)).toHaveText(old);
	await allSent(page);
});

test('without an open parent, too, a parent of a new format opens', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await expect(panel(page)).toContainText('Scan a parent bag');
	await warehouse.addFormat({ name: 'Barley', kind: 'parent', pattern: 'BARLEY-[0-9]{4}', capacity: 5 });
	await wedge(page, 'BARLEY-0001');
	await expect(openParent(page)).toHaveText('BARLEY-0001');
	await wedge(page, 'CBY-1');
	await expect(progress(page)).toHaveText('1 / 5');
	await allSent(page);
	expect(await warehouse.childrenOf('BARLEY-0001')).toEqual(['CBY-1']);
});

test('formats are kept for work without a network, also over a reload', async ({ page, context, warehouse }) => {
	const old = warehouse.parentCode();
	// What only the server's kind of regular expressions has, and what makes others search for ever.
	await warehouse.addFormat({ name: 'Rice', kind: 'parent', pattern: '(?i)rice-[[:digit:]]{3}', capacity: 3 });
	await warehouse.addFormat({ name: 'Slow', kind: 'parent', pattern: '(?:(?:ZZ[0-9]+)+)+Z', capacity: 3 });
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await wedge(page, old);
	await allSent(page);
	await context.setOffline(true);
	await page.reload();
	await expect(openParent(page)).toHaveText(old);
	await wedge(page, `ZZ${'1ZZ2'.repeat(15)}`);
	await wedge(page, 'rice-001');
	await expect(openParent(page)).toHaveText('RICE-001');
	await expect(progress(page)).toHaveText('0 / 3');
	for (const n of [1, 2]) await wedge(page, `RC-${n}`);
	await wedge(page, 'RICE-002');
	await expect(openParent(page)).toHaveText('RICE-002');
	await wedge(page, 'RC-3');
	await expect(progress(page)).toHaveText('1 / 3');
	await context.setOffline(false);
	await allSent(page);
	expect(await warehouse.childrenOf('RICE-001')).toEqual(['RC-1', 'RC-2']);
	expect(await warehouse.childrenOf('RICE-002')).toEqual(['RC-3']);
	expect(await warehouse.childrenOf(old)).toEqual([]);
});

test('a format added while a station had no network sorts its scans before they are sent', async ({
	page,
	context,
	warehouse
}) => {
	const old = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await wedge(page, old);
	await wedge(page, `C${old}-1`);
	await allSent(page);
	await context.setOffline(true);
	await warehouse.addFormat({ name: 'Gram', kind: 'parent', pattern: 'GRAM[0-9]{4}', capacity: 30 });
	await wedge(page, `C${old}-2`);
	// The station can't know that this is a parent.
	await wedge(page, 'GRAM0001');
	await wedge(page, 'CG-1');
	await wedge(page, 'CG-2');
	await waiting(page, 4);
	await context.setOffline(false);
	await allSent(page);
	await expect(openParent(page)).toHaveText('GRAM0001');
	await expect(progress(page)).toHaveText('2 / 30');
	expect(await warehouse.childrenOf(old)).toEqual([`C${old}-1`, `C${old}-2`]);
	expect(await warehouse.childrenOf('GRAM0001')).toEqual(['CG-1', 'CG-2']);
});

test('in bill mode a parent of a new format goes on the bill, with and without a network', async ({
	page,
	context,
	warehouse
}) => {
	const bill = await warehouse.bill([], 5);
	await warehouse.addFormat({ name: 'Soya', kind: 'parent', pattern: 'SOY[0-9]{5}', capacity: 10 });
	for (const parent of ['SOY00001', 'SOY00002']) await warehouse.pack(parent, [`C${parent}-1`]);
	await signIn(page, await warehouse.person('biller'), `/scan?bill=${bill}`);
	await expect(progress(page)).toHaveText('0 / 5');
	await wedge(page, 'SOY00001');
	await expect(panel(page)).toContainText('Added to the bill');
	await allSent(page);
	await context.setOffline(true);
	await wedge(page, 'SOY00002');
	await expect(progress(page)).toHaveText('2 / 5');
	// A child, a torn label and a carton are no parents: they are not counted, and not queued.
	for (const code of ['CSOY00001-1', 'SOY1', '4006381333931']) {
		await wedge(page, code);
		await expect(panel(page)).toHaveAttribute('data-tone', 'bad');
		await expect(progress(page)).toHaveText('2 / 5');
	}
	await waiting(page, 1);
	await context.setOffline(false);
	await allSent(page);
	expect((await warehouse.bagsOnBill(bill)).sort()).toEqual(['SOY00001', 'SOY00002']);
});

test('torn labels and retail barcodes are refused, with and without a network', async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await wedge(page, parent);
	await wedge(page, `CB-${parent}`);
	await allSent(page);
	const refused = [
		['M444-12', 'damaged parent label', 'looks_like_parent'],
		['SB12', 'damaged parent label', 'looks_like_parent'],
		['4006381333931', 'product barcode', 'product_barcode'],
		['96385074', 'product barcode', 'product_barcode']
	] as const;
	for (const [code, words] of refused) {
		await wedge(page, code);
		await expect(panel(page)).toContainText(words);
		await expect(panel(page)).toHaveAttribute('data-tone', 'bad');
		await expect(progress(page)).toHaveText('1 / 30');
		await expect(openParent(page)).toHaveText(parent);
	}
	await portrait(page, 'station-product-barcode');
	await page.setViewportSize(PHONE);
	await allSent(page);
	// A refused scan is an event, once.
	for (const [code, , outcome] of refused)
		expect((await warehouse.scansOf(code)).map((scan) => scan.outcome)).toEqual([outcome]);
	await context.setOffline(true);
	// After this one the station knows that nothing can be sent. Before, it would store refused scans as events.
	await wedge(page, `CB-${parent}-1`);
	await waiting(page, 1);
	await expect(page.locator('[data-waiting]')).toContainText('No network');
	for (const [code, words] of refused) {
		await wedge(page, code);
		await expect(panel(page)).toContainText(words);
		await expect(panel(page)).toHaveAttribute('data-tone', 'bad');
		await expect(progress(page)).toHaveText('2 / 30');
	}
	await portrait(page, 'station-damaged-label');
	await waiting(page, 1);
	await context.setOffline(false);
	await wedge(page, `CB-${parent}-2`);
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual([`CB-${parent}`, `CB-${parent}-1`, `CB-${parent}-2`]);
	// Refused before their eyes: nothing is left to settle.
	await expect(page.getByRole('button', { name: /needs? attention/ })).toBeHidden();
});

test('a parent that was made before its format was changed opens all the same', async ({ page, warehouse }) => {
	const own = warehouse.parentCode();
	const format = await warehouse.addFormat({ name: 'Oats', kind: 'parent', pattern: 'OAT[0-9]{3}', capacity: 8 });
	for (const parent of ['OAT001', 'OAT002']) await warehouse.pack(parent, [`C${parent}-1`]);
	// What the codes were looks like torn labels of what they are now.
	await warehouse.changePattern(format, 'OAT[0-9]{6}');
	await signIn(page, await warehouse.person('biller'), '/scan');
	await wedge(page, own);
	await wedge(page, 'OAT001');
	await expect(openParent(page)).toHaveText('OAT001');
	await expect(progress(page)).toHaveText('1 / 8');
	await wedge(page, 'COAT001-2');
	await expect(progress(page)).toHaveText('2 / 8');
	await allSent(page);
	// And like any child, once the format is something else.
	await warehouse.changePattern(format, 'HAVER-[0-9]{6}');
	await page.reload();
	await expect(openParent(page)).toHaveText('OAT001');
	await wedge(page, 'OAT002');
	await expect(openParent(page)).toHaveText('OAT002');
	await wedge(page, 'COAT002-2');
	await expect(progress(page)).toHaveText('2 / 8');
	await allSent(page);
	expect(await warehouse.childrenOf('OAT001')).toEqual(['COAT001-1', 'COAT001-2']);
	expect(await warehouse.childrenOf('OAT002')).toEqual(['COAT002-1', 'COAT002-2']);
	expect(await warehouse.childrenOf(own)).toEqual([]);
});

test('a device that has never had the formats keeps scans, and sorts them before they are sent', async ({
	page,
	warehouse
}) => {
	const [one, two] = [warehouse.parentCode(), warehouse.parentCode()];
	await page.route('**/api/v1/bag-formats', (route) => route.abort());
	await page.setViewportSize(PHONE);
	await page.goto('/');
	await page.getByLabel('Language').selectOption('hi');
	await expect(page.locator('html')).toHaveAttribute('lang', 'hi');
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, `C${one}-0`);
	for (const code of [one, `C${one}-1`, 'TT-CMD-NEXT', `C${one}-2`, two, `C${two}-1`, `C${two}-2`]) {
		await wedge(page, code);
	}
	await expect(panel(page)).toHaveAttribute('data-tone', 'kept');
	await expect(openParent(page)).toBeHidden();
	await waiting(page, 7);
	await portrait(page, 'station-no-formats-hindi');
	await wedge(page, 'TT-CMD-UNDO');
	await waiting(page, 6);
	await page.unroute('**/api/v1/bag-formats');
	await expect(openParent(page)).toHaveText(two, { timeout: 30_000 });
	await allSent(page);
	await expect(progress(page)).toHaveText('1 / 30');
	expect(await warehouse.childrenOf(one)).toEqual([`C${one}-1`]);
	expect(await warehouse.childrenOf(two)).toEqual([`C${two}-1`]);
	await wedge(page, `C${two}-3`);
	await expect(progress(page)).toHaveText('2 / 30');
	await allSent(page);
});
