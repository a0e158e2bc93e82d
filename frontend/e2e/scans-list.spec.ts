import { readFile } from 'node:fs/promises';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

test('an admin narrows the scans by every filter and exports what is shown', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const other = warehouse.parentCode();
	const packer = await warehouse.person('dispatcher', 'Jaipur');
	const scan = await warehouse.as(packer);
	await scan.POST('/api/v1/scans', { body: { qr_code: parent } });
	await scan.POST('/api/v1/scans', { body: { qr_code: other } });
	await scan.POST('/api/v1/scans', { body: { qr_code: `C${parent}-1`, parent_qr_code: parent } });
	await scan.POST('/api/v1/scans', { body: { qr_code: `C${parent}-1`, parent_qr_code: other } });
	await signIn(page, ADMIN, '/scans');
	const rows = page.getByRole('row');
	await expect(rows.nth(1)).toContainText('In another parent');
	await expect(rows.nth(1)).toContainText(packer.username);
	await portrait(page, 'scans');

	await page.getByLabel('Person').selectOption({ label: packer.username });
	await expect(rows).toHaveCount(5);
	await page.getByRole('button', { name: 'Show total' }).click();
	await expect(page.getByTestId('total')).toHaveText('4 scans in total');
	await page.getByLabel('Kind').selectOption('child');
	await expect(rows).toHaveCount(3);
	await page.getByLabel('Result').selectOption('linked');
	await expect(rows).toHaveCount(2);
	await expect(rows.nth(1)).toContainText('In the bag');
	await page.getByLabel('Area').selectOption('Jaipur');
	await page.getByLabel('Bag or parent').fill(parent.toLowerCase());
	await expect(rows).toHaveCount(2);
	await page.getByLabel('To', { exact: true }).fill('2020-01-31');
	await expect(page.getByText('No scans found.')).toBeVisible();
	await page.getByLabel('To', { exact: true }).fill('2099-01-31');
	await page.getByLabel('From', { exact: true }).fill('2020-01-31');
	await expect(rows).toHaveCount(2);

	const download = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download' }).click();
	await page.getByRole('menuitem', { name: 'CSV' }).click();
	const text = await readFile(await (await download).path(), 'utf8');
	expect(text.trim().split('\n')).toHaveLength(2);
	expect(text).toContain(`C${parent}-1`);

	await page.getByRole('link', { name: parent, exact: true }).click();
	await expect(page.getByTestId('child-count')).toHaveText('1 / 30');
	await page.getByRole('link', { name: 'All scans' }).click();
	await expect(page.getByLabel('Bag or parent')).toHaveValue(parent);
	await expect(rows).toHaveCount(3);
	await page.getByLabel('Bag or parent').fill('%');
	await expect(page.getByText('“%” is not a bag code. Enter a complete code.')).toBeVisible();
});

test('a packer sees scans of the own area alone, as they come, and undoes only own ones', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const foreign = warehouse.parentCode();
	const me = await warehouse.person('dispatcher', 'Raipur');
	const mine = await warehouse.as(me);
	const colleague = await warehouse.as(await warehouse.person('dispatcher', 'Raipur'));
	const stranger = await warehouse.as(await warehouse.person('dispatcher', 'Ranchi'));
	await stranger.POST('/api/v1/scans', { body: { qr_code: foreign } });
	await mine.POST('/api/v1/scans', { body: { qr_code: parent } });
	await signIn(page, me, '/scans');
	const rows = page.getByRole('row');
	await expect(rows).toHaveCount(2);
	await expect(page.getByLabel('Area')).toBeHidden();
	await expect(page.getByRole('button', { name: 'Download' })).toBeHidden();

	await mine.POST('/api/v1/scans', { body: { qr_code: `C${parent}-1`, parent_qr_code: parent } });
	await colleague.POST('/api/v1/scans', { body: { qr_code: `C${parent}-2`, parent_qr_code: parent } });
	await expect(rows).toHaveCount(4);
	await expect(page.getByRole('button', { name: `Undo the scan of C${parent}-2` })).toBeHidden();
	await page.getByRole('button', { name: `Undo the scan of C${parent}-1` }).click();
	await expect(page.getByText(`C${parent}-1 is removed from ${parent}.`)).toBeVisible();
	await portrait(page, 'scans-undo');
	await page.getByRole('button', { name: 'Undo scan' }).click();
	await expect(page.getByText(`Undone by ${me.username}`)).toBeVisible();
	expect(await warehouse.childrenOf(parent)).toEqual([`C${parent}-2`]);
	await expect(page.getByRole('button', { name: `Undo the scan of C${parent}-1` })).toBeHidden();
});

test("a biller undoes a packer's scan", async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const packer = await warehouse.as(await warehouse.person('dispatcher'));
	await packer.POST('/api/v1/scans', { body: { qr_code: parent } });
	await packer.POST('/api/v1/scans', { body: { qr_code: `C${parent}-1`, parent_qr_code: parent } });
	await signIn(page, await warehouse.person('biller'), `/scans?bag=${parent}`);
	await page.getByRole('button', { name: `Undo the scan of C${parent}-1` }).click();
	await page.getByRole('button', { name: 'Undo scan' }).click();
	await expect(page.getByText(`Scan undone: C${parent}-1 is no longer in ${parent}.`)).toBeVisible();
	expect(await warehouse.childrenOf(parent)).toEqual([]);
});
