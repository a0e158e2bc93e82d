import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

const csv = (name: string, text: string) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });

async function checked(page: Page): Promise<void> {
	await page.getByRole('button', { name: 'Check first' }).click();
	await expect(page.getByTestId('import-status')).toHaveText(/Some rows refused|All rows are valid/);
}

// Many portraits: each looks at four screens.

test('a file is checked, shows what is wrong, and its good rows are taken', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, ADMIN, '/imports');
	await portrait(page, 'imports-empty');
	const file = csv(
		'stock.csv',
		`QR Code,Area,Colour,Type\n${parent},Lucknow,red,parent\nC${parent}-1,Indore,,child\nC${parent}-2,Nowhere,,child\n"CB'; DROP TABLE",,,\n`
	);
	await page.getByLabel(/Choose a file/).setInputFiles(file);
	await expect(page.getByTestId('chosen-file')).toContainText('stock.csv');
	await checked(page);
	await expect(page.getByTestId('columns').getByRole('listitem')).toHaveText([
		/QR Code → Code/,
		/Area → Area/,
		/Colour → not read/,
		/Type → Kind/
	]);
	await expect(page.getByTestId('rows-accepted')).toHaveText('2');
	await expect(page.getByTestId('rows-refused')).toHaveText('2');
	await expect(page.getByTestId('refused').getByRole('row', { name: /^4/ })).toContainText('Nowhere');
	await portrait(page, 'imports-checked');
	// A check changes nothing.
	await expect(warehouse.bag(parent)).rejects.toThrow();

	await page.getByRole('radio', { name: /^All or nothing/ }).check();
	await expect(page.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
	await page.getByRole('radio', { name: /^Import the valid rows/ }).check();
	await page.getByRole('button', { name: 'Import 2 rows' }).click();
	await expect(page).toHaveURL(/imports\/.*rows=4/);
	await expect(page.getByTestId('import-status')).toHaveText('Some rows refused');
	await expect(page.getByTestId('rows-accepted')).toHaveText('2');
	await portrait(page, 'import-done');
	expect((await warehouse.bag(parent)).dispatch_area).toBe('Lucknow');

	const saving = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download refused rows' }).click();
	const refused = await readFile(await (await saving).path(), 'utf8');
	expect(refused.split('\r\n')[0]).toBe('line,QR Code,Area,Colour,Type,code,reason');
	expect(refused).toContain('unknown_dispatch_area');
	await page.getByRole('link', { name: 'Imports' }).last().click();
	await expect(page.getByRole('row', { name: /stock\.csv/ })).toHaveCount(2);
	await portrait(page, 'imports');
});

test('links are imported, and those of a child that is elsewhere are refused', async ({ page, warehouse }) => {
	const [parent, other] = [warehouse.parentCode(), warehouse.parentCode()];
	await warehouse.pack(other, [`C${other}-1`]);
	await signIn(page, ADMIN, '/imports');
	await page.getByRole('radio', { name: /^Child bags in parents/ }).check();
	const rows = Array.from({ length: 20 }, (_, n) => `${parent},C${parent}-${n}`);
	await page
		.getByLabel(/Choose a file/)
		.setInputFiles(csv('links.csv', ['parent,child', ...rows, `${parent},C${other}-1`].join('\n')));
	await page.getByRole('button', { name: 'Import', exact: true }).click();
	await expect(page.getByTestId('import-status')).toHaveText('Some rows refused');
	await expect(page.getByTestId('rows-accepted')).toHaveText('20');
	await expect(page.getByTestId('refused')).toContainText(`C${other}-1 is already in ${other}.`);
	expect(await warehouse.childrenOf(parent)).toHaveLength(20);
});

test('a file that can not be read is told at once, and the example can be', async ({ page }) => {
	await signIn(page, ADMIN, '/imports');
	await page.getByLabel(/Choose a file/).setInputFiles(csv('names.csv', 'name\nMustard\n'));
	await page.getByRole('button', { name: 'Check first' }).click();
	await expect(page.getByRole('alert')).toContainText('none is qr_code');

	for (const kind of [/^Bags/, /^Child bags in parents/]) {
		await page.getByRole('radio', { name: kind }).check();
		const saving = page.waitForEvent('download');
		await page.getByRole('button', { name: 'Example file' }).click();
		const example = await saving;
		await page
			.getByLabel(/file$/)
			.setInputFiles(csv(example.suggestedFilename(), await readFile(await example.path(), 'utf8')));
		await checked(page);
		await expect(page.getByTestId('import-status')).toHaveText('All rows are valid');
	}
});

test('only admins import', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('biller'), '/imports');
	await expect(page.getByText('This page is for admins')).toBeVisible();
	await portrait(page, 'imports-forbidden');
});
