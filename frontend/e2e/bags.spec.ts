import { readFile } from 'node:fs/promises';
import { ADMIN, allSent, expect, portrait, signIn, test, wedge } from './support/test';

test('a biller takes a child out and moves another, and takes both back', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const other = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`, `C${parent}-2`, `C${parent}-3`]);
	await warehouse.pack(other, []);
	await signIn(page, await warehouse.person('biller'), `/bags/${parent}`);
	const children = page.getByTestId('children').getByRole('listitem');
	const history = page.getByTestId('history');
	await expect(page.getByTestId('child-count')).toHaveText('3 / 30');
	await expect(children).toHaveCount(3);
	await expect(history).toContainText(`Scanned in C${parent}-3`);
	await expect(history.getByRole('heading', { name: 'Today' })).toBeVisible();
	await expect(page.getByRole('img', { name: `QR code of ${parent}` })).toBeVisible();
	await portrait(page, 'bag-parent');

	await page.getByRole('button', { name: `Remove C${parent}-2` }).click();
	await expect(children).toHaveCount(2);
	await expect(history).toContainText('Removed');
	await page.getByRole('button', { name: 'Undo' }).click();
	await expect(children).toHaveCount(3);
	await expect(page.getByText(`C${parent}-2 is back in ${parent}.`)).toBeVisible();

	await page
		.getByTestId('children')
		.getByRole('link', { name: `C${parent}-3` })
		.click();
	await expect(page.getByRole('heading', { name: `C${parent}-3` })).toBeVisible();
	await expect(page.getByTestId('in-parent')).toHaveText(parent);
	await page.getByRole('button', { name: 'Move', exact: true }).click();
	const code = page.getByLabel('Parent bag');
	await expect(code).toBeFocused();
	await code.fill(other.toLowerCase());
	await page.getByTestId('parents').getByRole('button', { name: other }).click();
	await portrait(page, 'bag-move');
	await page.getByTestId('dialog').getByRole('button', { name: 'Move', exact: true }).click();
	await expect(page.getByTestId('in-parent')).toHaveText(other);
	await expect(page.getByTestId('history')).toContainText(`Moved to ${other}`);
	await portrait(page, 'bag-child');
	expect(await warehouse.childrenOf(other)).toEqual([`C${parent}-3`]);
});

test('a move that is refused says why and changes nothing', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const done = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	await warehouse.pack(done, [`C${done}-1`]);
	await signIn(page, await warehouse.person('biller'), `/bags/${done}`);
	await page.getByRole('button', { name: 'Complete' }).click();
	await expect(page.getByRole('button', { name: 'Reopen' })).toBeVisible();
	await page.goto(`/bags/C${parent}-1`);
	await page.getByRole('button', { name: 'Move', exact: true }).click();
	await page.getByLabel('Parent bag').fill(done);
	// As a scanner ends: what is typed counts, whatever the list shows.
	await page.keyboard.press('Enter');
	await expect(page.getByRole('alert')).toContainText(`${done} was completed. Reopen it first.`);
	await page.getByRole('button', { name: 'Cancel' }).click();
	await expect(page.getByTestId('in-parent')).toHaveText(parent);
	expect(await warehouse.childrenOf(done)).toEqual([`C${done}-1`]);
});

test('a packer completes and reopens a parent of the own area, and no more', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const foreign = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	const colleague = await warehouse.as(await warehouse.person('dispatcher', 'Indore'));
	await colleague.POST('/api/v1/scans', { body: { qr_code: foreign } });
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await allSent(page);
	await page.goto(`/bags/${parent}`);
	await expect(page.getByTestId('children').getByRole('listitem')).toHaveCount(1);
	await expect(page.getByRole('button', { name: `Remove C${parent}-1` })).toBeHidden();
	await page.getByRole('button', { name: 'Complete' }).click();
	await page.getByRole('button', { name: 'Reopen' }).click();
	await expect(page.getByRole('button', { name: 'Complete' })).toBeEnabled();
	await page.getByRole('button', { name: `Actions for ${parent}` }).click();
	await expect(page.getByRole('menuitem')).toHaveText(['Print label']);
	await page.keyboard.press('Escape');

	await page.goto('/bags');
	await expect(page.getByRole('link', { name: parent, exact: true })).toBeVisible();
	await expect(page.getByLabel('Area')).toBeHidden();
	await expect(page.getByRole('button', { name: 'Download' })).toBeHidden();
	await page.getByLabel('Search by code').fill(foreign);
	await expect(page.getByText('No bags found.')).toBeVisible();
	await page.goto(`/bags/${foreign}`);
	await expect(page.getByText('Not found')).toBeVisible();
});

test('an unknown bag says so', async ({ page }) => {
	await signIn(page, ADMIN, '/bags/SB99999');
	await expect(page.getByText('Not found')).toBeVisible();
	await portrait(page, 'bag-missing');
});

test('the bag list is searched and filtered, and its address can be shared', async ({
	page,
	warehouse,
	browser,
	baseURL
}) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`, `C${parent}-2`]);
	await signIn(page, ADMIN, '/bags');
	await portrait(page, 'bags');
	await page.getByLabel('Search by code').fill(parent.toLowerCase());
	await page.getByLabel('Kind').selectOption('child');
	await expect(page.getByRole('row')).toHaveCount(3);
	await expect(page).toHaveURL(/kind=child&q=sb\d+/);

	const colleague = await browser.newPage({ baseURL });
	await signIn(colleague, ADMIN, page.url());
	await expect(colleague.getByRole('row')).toHaveCount(3);
	await expect(colleague.getByLabel('Kind')).toHaveValue('child');
	await colleague.close();

	await page.getByLabel('Search by code').fill('NO-SUCH-BAG');
	await expect(page.getByText('No bags found.')).toBeVisible();
	await page.goBack();
	await expect(page.getByLabel('Kind')).toHaveValue('');
});

test('bags are counted, narrowed by bill, parent and day, sorted and exported as they are shown', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`Z${parent}-1`]);
	const bill = await warehouse.bill([parent]);
	await signIn(page, await warehouse.person('biller'), `/bags?q=${parent}`);
	const rows = page.getByRole('row');
	await expect(rows).toHaveCount(3);
	await page.getByRole('button', { name: 'Show total' }).click();
	await expect(page.getByTestId('total')).toHaveText('2 bags in total');
	await expect(rows.nth(1)).toContainText(`Z${parent}-1`);
	await page.getByRole('button', { name: 'Created' }).click();
	await expect(rows.nth(1)).not.toContainText(`Z${parent}-1`);

	await page.getByLabel('On a bill').selectOption('no');
	await expect(page.getByText('No bags found.')).toBeVisible();
	await page.getByLabel('On a bill').selectOption('yes');
	await expect(page.getByRole('link', { name: bill })).toHaveCount(2);
	await page.getByLabel('In a parent').selectOption('yes');
	await expect(rows).toHaveCount(2);
	await page.getByLabel('Created until').fill('2020-01-31');
	await expect(page.getByText('No bags found.')).toBeVisible();
	await page.getByLabel('Created until').fill('2099-01-31');
	await expect(rows).toHaveCount(2);

	const download = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download' }).click();
	await page.getByRole('menuitem', { name: 'CSV' }).click();
	const text = await readFile(await (await download).path(), 'utf8');
	expect(text.trim().split('\n')).toHaveLength(2);
	expect(text).toContain(`Z${parent}-1`);
});

test('an admin deletes many bags and reads which were kept and why', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const empty = parent.replace('SB', 'M444-');
	await warehouse.pack(parent, [`C${parent}-1`]);
	await warehouse.pack(empty, []);
	await signIn(page, ADMIN, `/bags?q=${parent.slice(2)}`);
	await expect(page.getByRole('row')).toHaveCount(4);
	await page.getByLabel('Select all').check();
	await page.getByRole('button', { name: 'Delete bags' }).click();
	await page.getByTestId('dialog').getByRole('button', { name: 'Delete bags' }).click();
	await expect(page.getByText('1 deleted, 2 not deleted.')).toBeVisible();
	const results = page.getByTestId('delete-results');
	await expect(results).toContainText(`${parent} still contains child bags (1). Remove them first.`);
	await expect(results).toContainText(`C${parent}-1 is in ${parent}. Remove it first.`);
	await portrait(page, 'bags-deleted');
	await page.getByTestId('dialog').getByRole('button', { name: 'Close' }).last().click();
	await expect(page.getByRole('row')).toHaveCount(3);
	await expect(page.getByText('2 selected')).toBeVisible();
});

test('a biller chooses bags for labels but does not delete', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	await signIn(page, await warehouse.person('biller'), `/bags?q=${parent}`);
	await page.getByLabel('Select all').check();
	await expect(page.getByText('2 selected')).toBeVisible();
	await expect(page.getByRole('button', { name: 'Delete bags' })).toBeHidden();
	await page.getByRole('link', { name: 'Print labels' }).click();
	await expect(page.getByTestId('labels').getByRole('img')).toHaveCount(2);
	await expect(page.getByRole('img', { name: `QR code of C${parent}-1` })).toBeVisible();
	await portrait(page, 'bag-labels');
});

test('a bag is made by hand, edited and deleted; one in use is kept with the reason', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, ADMIN, '/bags');
	await page.getByRole('button', { name: 'New bag' }).click();
	await page.getByLabel('Code', { exact: true }).fill('<script>');
	await page.getByRole('button', { name: 'Create bag' }).click();
	await expect(page.getByRole('alert')).toBeVisible();
	await page.getByLabel('Code', { exact: true }).fill(parent.toLowerCase());
	await page.getByTestId('dialog').getByLabel('Area').selectOption('Indore');
	await portrait(page, 'bag-new');
	await page.getByRole('button', { name: 'Create bag' }).click();
	await expect(page.getByRole('heading', { name: parent })).toBeVisible();
	await expect(page.getByTestId('area')).toHaveText('Indore');

	const choose = async (action: string) => {
		await page.getByRole('button', { name: `Actions for ${parent}` }).click();
		await page.getByRole('menuitem', { name: action }).click();
	};
	await choose('Edit');
	await page.getByTestId('dialog').getByLabel('Name').fill('Corner 4');
	await page.getByRole('button', { name: 'Save' }).click();
	await expect(page.getByTestId('name')).toHaveText('Corner 4');
	await expect(page.getByTestId('history')).toContainText('Name: no name → Corner 4');

	await warehouse.pack(parent, [`C${parent}-1`]);
	await warehouse.bill([parent]);
	await expect(page.getByTestId('child-count')).toHaveText('1 / 30');
	await choose('Delete bag');
	await expect(page.getByTestId('reasons').getByRole('listitem')).toHaveCount(2);
	await expect(page.getByTestId('dialog').getByRole('button', { name: 'Delete bag' })).toBeHidden();
	await page.goto(`/bags/C${parent}-1`);
	await page.getByRole('button', { name: 'Remove from parent' }).click();
	await page.getByRole('button', { name: `Actions for C${parent}-1` }).click();
	await page.getByRole('menuitem', { name: 'Delete bag' }).click();
	await page.getByTestId('dialog').getByRole('button', { name: 'Delete bag' }).click();
	await expect(page.getByText(`C${parent}-1 deleted.`)).toBeVisible();
	await expect(page.getByRole('heading', { name: 'Bags' })).toBeVisible();
});

test('a long history is shown page by page', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(
		parent,
		Array.from({ length: 30 }, (_, index) => `C${parent}-${index + 1}`)
	);
	await signIn(page, ADMIN, `/bags/${parent}`);
	await expect(page.getByTestId('child-count')).toHaveText('30 / 30');
	const history = page.getByTestId('history');
	await expect(history).not.toContainText('Parent scanned');
	await page.getByRole('button', { name: 'Show older' }).click();
	await expect(history).toContainText('Parent scanned');
	await expect(page.getByRole('button', { name: 'Show older' })).toBeHidden();
});

test('the colours chosen are kept', async ({ page }) => {
	await page.goto('/');
	await page.getByLabel('Theme').selectOption('dark');
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
	await page.reload();
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test('an address that does not exist leads back', async ({ page }) => {
	await signIn(page, ADMIN, '/no/such/page');
	await expect(page.getByRole('heading', { name: 'Not found' })).toBeVisible();
	await page.getByRole('link', { name: 'Go to overview' }).click();
	await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
});
