import { readFile } from 'node:fs/promises';
import type { Locator, Page } from '@playwright/test';
import { ADMIN, expect, portrait, signIn, test, wedgeAll } from './support/test';

/** The row of a code among the results; the newest one when it was scanned twice. */
const result = (page: Page, code: string): Locator =>
	page.getByTestId('results').locator(`[data-code="${code}"]`).first();
const progress = (page: Page) => page.getByTestId('progress');
const codesField = (page: Page) => page.getByLabel('Type or paste codes');

/** Chooses from the menu with further actions. */
async function choose(page: Page, action: string): Promise<void> {
	await page.getByRole('button', { name: /^Actions for/ }).click();
	await page.getByRole('menuitem', { name: action }).click();
}

async function downloaded(page: Page, format: string): Promise<{ name: string; content: Buffer }> {
	const started = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download' }).click();
	await page.getByRole('menuitem', { name: format }).click();
	const download = await started;
	return { name: download.suggestedFilename(), content: await readFile(await download.path()) };
}

test('a biller makes a bill; what is wrong with it is said beside the fields', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('biller'), '/bills/new');
	await page.getByRole('button', { name: 'Create bill and scan bags' }).click();
	await expect(page.getByLabel('Destination')).toHaveAttribute('aria-invalid', 'true');
	await expect(page.getByLabel('Destination')).toBeFocused();
	await expect(page.getByText('Enter a whole number from 1')).toBeVisible();
	await portrait(page, 'bill-new-errors');
	await page.getByLabel('Destination').fill('Jaipur depot');
	await page.getByLabel('Vehicle number').fill('rj14 gb 1234');
	await page.getByLabel('Expected parent bags').fill('4');
	await portrait(page, 'bill-new');
	await page.getByRole('button', { name: 'Create bill and scan bags' }).click();
	await expect(page.getByRole('heading', { level: 1, name: /^BILL-/ })).toBeVisible();
	await expect(page.getByText('Jaipur depot · RJ14 GB 1234')).toBeVisible();
	await expect(page.getByRole('button', { name: 'Finish bill' })).toBeDisabled();
	await portrait(page, 'bill-empty');
});

test('bags are scanned wherever the focus is, and each refusal says what it is', async ({ page, warehouse }) => {
	const [first, second, third] = [
		await warehouse.readyParent(),
		await warehouse.readyParent(),
		await warehouse.readyParent()
	];
	const bill = await warehouse.bill([], 4);
	await signIn(page, await warehouse.person('biller'), `/bills/${bill}`);
	await expect(page.getByText('Ready to scan')).toBeVisible();

	// With no field focused, while typing in one, and with a button focused: the scanner is heard each time.
	await wedgeAll(page, [first]);
	await expect(progress(page)).toHaveText('1 / 4');
	await codesField(page).fill('half ty');
	await wedgeAll(page, [second.toLowerCase()]);
	await expect(progress(page)).toHaveText('2 / 4');
	await expect(codesField(page)).toHaveValue('half ty');
	await codesField(page).fill('');
	await page.getByRole('button', { name: 'Choose from a list' }).focus();
	await wedgeAll(page, [third]);
	await expect(progress(page)).toHaveText('3 / 4');
	await expect(page.getByRole('dialog')).toBeHidden();
	for (const code of [first, second, third]) await expect(result(page, code)).toHaveAttribute('data-outcome', 'added');
	expect((await warehouse.bagsOnBill(bill)).sort()).toEqual([first, second, third].sort());
	await expect(page.getByTestId('billed-bags').getByRole('link')).toHaveCount(3);
	await expect(page.getByTestId('actual-weight')).toHaveText('6 kg');
	await expect(page.getByTestId('variance')).toHaveText('-114 kg');
	await portrait(page, 'bill-scanned');

	const taken = await warehouse.readyParent();
	const otherBill = await warehouse.bill([taken]);
	const empty = warehouse.parentCode();
	await warehouse.pack(empty, []);
	const refusals = [
		[first, 'already_on_this_bill', 'Already on this bill'],
		[taken, 'already_billed', `On bill ${otherBill}`],
		[empty, 'empty_parent', 'Empty bag'],
		['SB99999', 'not_found', 'Unknown bag'],
		[`C${first}-1`, 'kind_mismatch', 'Child bag'],
		['???', 'invalid_qr_code', 'Not a bag code']
	] as const;
	for (const [code, outcome, words] of refusals) {
		await wedgeAll(page, [code]);
		await expect(page.getByTestId('last-result')).toHaveAttribute('data-outcome', outcome);
		await expect(page.getByTestId('last-result')).toContainText(words);
		await expect(result(page, code)).toContainText(words);
	}
	await expect(progress(page)).toHaveText('3 / 4');
	await portrait(page, 'bill-refused');
	await page.getByRole('button', { name: 'Refused only' }).click();
	await expect(page.getByTestId('results').getByRole('listitem')).toHaveCount(5);
	await page.getByRole('link', { name: `On bill ${otherBill}` }).click();
	await expect(page.getByRole('heading', { level: 1, name: otherBill })).toBeVisible();
});

test('many codes are pasted, the number is raised for those that did not fit, one is taken off and put back', async ({
	page,
	warehouse
}) => {
	const [first, second, third] = [
		await warehouse.readyParent(),
		await warehouse.readyParent(),
		await warehouse.readyParent()
	];
	const bill = await warehouse.bill([], 1);
	await signIn(page, await warehouse.person('biller'), `/bills/${bill}`);
	await codesField(page).fill(`${first}\n${second}, ${third}`);
	await page.getByRole('button', { name: 'Add 3 codes' }).click();
	await expect(result(page, third)).toHaveAttribute('data-outcome', 'bill_at_capacity');
	await expect(result(page, first)).toContainText('The bill is now full');
	await expect(progress(page)).toHaveText('1 / 1');
	await expect(page.getByText('2 bags did not fit.')).toBeVisible();
	await portrait(page, 'bill-full');
	await page.getByRole('button', { name: 'Increase the expected number' }).click();
	await expect(page.getByLabel('Expected parent bags')).toHaveValue('3');
	await portrait(page, 'bill-raise');
	await page.getByRole('button', { name: 'Save' }).click();
	await expect(progress(page)).toHaveText('3 / 3');

	await page.getByRole('button', { name: `Remove ${second} from the bill` }).click();
	await expect(progress(page)).toHaveText('2 / 3');
	expect(await warehouse.bagsOnBill(bill)).not.toContain(second);
	await page.getByRole('button', { name: 'Undo' }).click();
	await expect(progress(page)).toHaveText('3 / 3');
	expect(await warehouse.bagsOnBill(bill)).toContain(second);
});

test('a biller finishes a bill: it is locked, and its report is read, printed and saved', async ({
	page,
	warehouse
}) => {
	const ready = [await warehouse.readyParent(), await warehouse.readyParent()];
	const [first = ''] = ready;
	const bill = await warehouse.bill(ready, 3);
	await signIn(page, await warehouse.person('biller'), `/bills/${bill}`);
	await page.getByRole('button', { name: 'Finish bill' }).click();
	await expect(page.getByRole('dialog')).toContainText('Only an admin can reopen it');
	await expect(page.getByRole('dialog')).toContainText('1 expected bag is missing');
	await portrait(page, 'bill-finish');
	await page.getByRole('dialog').getByRole('button', { name: 'Finish bill' }).click();
	await expect(page.getByText('This bill is finished and locked.')).toBeVisible();
	await expect(page.getByRole('button', { name: `Remove ${first} from the bill` })).toBeHidden();
	await expect(page.getByRole('button', { name: /^Actions for/ })).toBeHidden();
	await wedgeAll(page, ['SB99999']);
	await expect(page.getByText('SB99999 was not added.')).toBeVisible();
	await portrait(page, 'bill-finished');

	await page.getByRole('link', { name: 'Report', exact: true }).click();
	const report = page.getByTestId('report');
	await expect(report).toContainText(bill);
	await expect(report.getByRole('img', { name: `QR code of ${bill}` })).toBeVisible();
	await expect(report.getByText(`C${first}-1`)).toBeHidden();
	await report.getByRole('button', { name: `Child bags of ${first}` }).click();
	await expect(report.getByText(`C${first}-1`)).toBeVisible();
	await portrait(page, 'bill-report');
	await page.getByLabel('Show child bags').check();
	for (const code of ready) await expect(report.getByText(`C${code}-2`)).toBeVisible();

	const csv = await downloaded(page, 'CSV');
	expect(csv.name).toBe(`bill-${bill.toLowerCase()}.csv`);
	for (const code of ready) expect(csv.content.toString()).toContain(`C${code}-2`);
	expect(csv.content.toString()).toContain('RJ14 GB 1234');
	const xlsx = await downloaded(page, 'Excel');
	expect(xlsx.content.subarray(0, 4)).toEqual(Buffer.from('PK\x03\x04'));
	const pdf = await downloaded(page, 'PDF');
	expect(pdf.content.subarray(0, 5).toString()).toBe('%PDF-');

	// On paper: the sheet alone, dark on white.
	await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
	await expect(page.getByRole('button', { name: 'Print' })).toBeHidden();
	await expect(page.getByRole('navigation')).toHaveCount(0);
	expect(await report.evaluate((sheet) => getComputedStyle(sheet).color)).toBe('rgb(18, 22, 31)');
	await page.pdf({ path: 'test-results/screenshots/bill-report-print.pdf', preferCSSPageSize: true });
});

test('thirty scans in a burst are all kept, in order, through a cut network', async ({ page, warehouse, context }) => {
	const codes: string[] = [];
	for (let n = 0; n < 30; n += 1) codes.push(await warehouse.readyParent(1));
	const bill = await warehouse.bill([], 30);
	await signIn(page, await warehouse.person('biller'), `/bills/${bill}`);
	await expect(page.getByText('Ready to scan')).toBeVisible();
	await wedgeAll(page, codes.slice(0, 20));
	await expect(progress(page)).toHaveText('20 / 30');

	await context.setOffline(true);
	await wedgeAll(page, codes.slice(20));
	await expect(page.getByText('10 bags are waiting to be sent.')).toBeVisible();
	await expect(result(page, codes[29] ?? '')).toHaveAttribute('data-outcome', 'pending');
	await portrait(page, 'bill-offline');
	await context.setOffline(false);
	await expect(progress(page)).toHaveText('30 / 30');
	const shown = page.getByTestId('results').getByRole('listitem');
	await expect(shown).toHaveCount(30);
	expect(await shown.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-code')))).toEqual(
		codes.toReversed()
	);
	expect((await warehouse.bagsOnBill(bill)).sort()).toEqual(codes.toSorted());
});

test('bags are chosen from the list of those that are ready, and an open one comes with a warning', async ({
	page,
	warehouse
}) => {
	const ready = [await warehouse.readyParent(), await warehouse.readyParent()];
	const open = warehouse.parentCode();
	await warehouse.pack(open, [`C${open}-1`]);
	const bill = await warehouse.bill([]);
	await signIn(page, await warehouse.person('biller'), `/bills/${bill}`);
	await page.getByRole('button', { name: 'Choose from a list' }).click();
	for (const code of ready) await page.getByRole('checkbox', { name: code }).check();
	await expect(page.getByText('2 selected, room for 10')).toBeVisible();
	await portrait(page, 'bill-picker');
	await page.getByLabel('Search by code').fill(open);
	await expect(page.getByText('No bags are ready')).toBeVisible();
	await page.getByRole('button', { name: 'Add selected bags' }).click();
	await expect(progress(page)).toHaveText('2 / 10');

	await codesField(page).fill(open);
	await codesField(page).press('Enter');
	await expect(result(page, open)).toHaveAttribute('data-outcome', 'added');
	await expect(result(page, open)).toContainText('still open');
	await expect(page.getByRole('link', { name: 'Scan with a phone' })).toHaveAttribute('href', `/scan?bill=${bill}`);
});

test('an admin edits, reopens with a reason, and deletes', async ({ page, warehouse }) => {
	const parent = await warehouse.readyParent();
	const bill = await warehouse.bill([parent]);
	await signIn(page, ADMIN, `/bills/${bill}`);
	await choose(page, 'Edit');
	await page.getByLabel('Destination').fill('Kota depot');
	await page.getByLabel('Description').fill('Two stops on the way.');
	await portrait(page, 'bill-edit');
	await page.getByRole('button', { name: 'Save' }).click();
	await expect(page.getByText('Kota depot · RJ14 GB 1234')).toBeVisible();
	await expect(page.getByText('Two stops on the way.').first()).toBeVisible();

	await warehouse.finishBill(bill);
	await expect(page.getByText('This bill is finished and locked.')).toBeVisible();
	await choose(page, 'Reopen bill');
	await page.getByRole('button', { name: 'Reopen' }).click();
	await expect(page.getByLabel('Reason')).toHaveAttribute('aria-invalid', 'true');
	await page.getByLabel('Reason').fill('One bag was left behind.');
	await portrait(page, 'bill-reopen');
	await page.getByRole('button', { name: 'Reopen' }).click();
	await expect(page.getByText('This bill is finished and locked.')).toBeHidden();
	await expect(page.getByTestId('bill-history')).toContainText('Reason: One bag was left behind.');
	await expect(page.getByTestId('bill-history')).toContainText('Destination: Jaipur depot → Kota depot');
	await portrait(page, 'bill-admin');

	await choose(page, 'Delete bill');
	await portrait(page, 'bill-delete');
	await page.getByRole('dialog').getByRole('button', { name: 'Delete bill' }).click();
	await expect(page).toHaveURL(/\/bills$/);
	await expect(page.getByRole('link', { name: bill })).toBeHidden();
	expect((await warehouse.bag(parent)).bill).toBeNull();
	await page.goto(`/bills/${bill}`);
	await expect(page.getByText('Not found')).toBeVisible();
	await portrait(page, 'bill-missing');
});

test('somebody else’s edit is not overwritten', async ({ page, warehouse, browser, baseURL }) => {
	const bill = await warehouse.bill([]);
	await signIn(page, ADMIN, `/bills/${bill}`);
	await choose(page, 'Edit');
	await page.getByLabel('Vehicle number').fill('UP32 AA 1');
	const colleague = await browser.newPage({ baseURL });
	await signIn(colleague, await warehouse.person('biller'), `/bills/${bill}`);
	await choose(colleague, 'Edit');
	await colleague.getByLabel('Destination').fill('Ajmer depot');
	// The page of the first must not hear of it before it saves.
	await page.context().setOffline(true);
	await colleague.getByRole('button', { name: 'Save' }).click();
	await expect(colleague.getByText('Ajmer depot · RJ14 GB 1234')).toBeVisible();
	await colleague.close();
	await page.context().setOffline(false);
	await page.getByRole('button', { name: 'Save' }).click();
	const dialog = page.getByRole('dialog');
	await expect(dialog.getByRole('alert').or(page.getByText('Ajmer depot · UP32 AA 1')).first()).toBeVisible();
	if (await dialog.getByRole('alert').isVisible()) await page.getByRole('button', { name: 'Save' }).click();
	await expect(page.getByText('Ajmer depot · UP32 AA 1')).toBeVisible();
});

test('a packer sees bills with bags of the own area, and changes nothing', async ({ page, warehouse }) => {
	const packer = await warehouse.person('dispatcher');
	await signIn(page, packer, '/bills');
	await expect(page.getByText('No bills yet')).toBeVisible();
	await portrait(page, 'bills-packer-none');
	await expect(page.getByRole('link', { name: 'New bill' })).toBeHidden();
	await page.goto('/scan');
	await expect(page.getByTestId('result')).toContainText('Scan a parent bag');
	const parent = warehouse.parentCode();
	await wedgeAll(page, [parent, `C${parent}-1`]);
	await expect.poll(() => warehouse.childrenOf(parent).catch(() => [])).toEqual([`C${parent}-1`]);
	const other = await warehouse.readyParent();
	const bill = await warehouse.bill([parent, other]);

	await page.goto('/bills');
	await page.getByRole('link', { name: bill }).click();
	await expect(page.getByText('You see only the bags of your area.')).toBeVisible();
	await expect(page.getByRole('link', { name: parent })).toBeVisible();
	await expect(page.getByRole('link', { name: other })).toBeHidden();
	for (const name of ['Finish bill', 'Download']) await expect(page.getByRole('button', { name })).toBeHidden();
	await expect(page.getByText('Ready to scan')).toBeHidden();
	await portrait(page, 'bill-packer');
	for (const path of [`/bills/${bill}/report`, '/bills/new']) {
		await page.goto(path);
		await expect(page.getByText('This page is for billers')).toBeVisible();
	}
	await portrait(page, 'bill-only-billers');
});

test('the list is searched, filtered, sorted and exported; in Hindi too', async ({ page, warehouse }) => {
	const busy = await warehouse.bill([await warehouse.readyParent()]);
	const fresh = await warehouse.bill([]);
	await signIn(page, await warehouse.person('biller'), '/bills');
	await expect(page.getByRole('link', { name: busy })).toBeVisible();
	await expect(page.getByTestId('total')).toHaveText(/\d+ bills/);
	await portrait(page, 'bills');
	await page.getByRole('navigation', { name: 'Status' }).getByRole('link', { name: 'New' }).click();
	await expect(page.getByRole('link', { name: busy })).toBeHidden();
	await expect(page.getByRole('link', { name: fresh })).toBeVisible();
	await page.getByRole('navigation', { name: 'Status' }).getByRole('link', { name: 'All' }).click();
	await page.getByLabel('Search by number').fill(busy.toLowerCase());
	await expect(page.getByRole('link', { name: fresh })).toBeHidden();
	await expect(page.getByTestId('total')).toHaveText('1 bill');
	await page.getByRole('button', { name: 'Created', exact: true }).click();
	await expect(page).toHaveURL(/sort=oldest/);
	const csv = await downloaded(page, 'CSV');
	expect(csv.content.toString()).toContain(busy);
	expect(csv.content.toString()).not.toContain(fresh);
	await page.getByLabel('Created by').selectOption({ label: 'Me' });
	await expect(page.getByText('No bills match')).toBeVisible();
	await portrait(page, 'bills-none-found');
	await page.getByRole('button', { name: 'Clear filters' }).click();

	await page.evaluate(() => localStorage.setItem('PARAGLIDE_LOCALE', 'hi'));
	await page.goto('/bills');
	await expect(page.getByRole('heading', { name: 'बिल' })).toBeVisible();
	await portrait(page, 'bills-hi');
	await page.getByRole('link', { name: busy }).click();
	await expect(page.getByRole('button', { name: 'बिल पूरा करें' })).toBeVisible();
	await page.locator('h1').click();
	await wedgeAll(page, ['SB99998']);
	await expect(page.getByTestId('last-result')).toContainText('बोरी अनजान है');
	await portrait(page, 'bill-hi');
});
