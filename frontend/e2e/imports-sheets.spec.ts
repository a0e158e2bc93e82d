import { readFile } from 'node:fs/promises';
import { ADMIN, expect, signIn, test } from './support/test';

/** A hidden sheet, then one with a good code, a date and a number with leading zeros. */
const WORKBOOK = '../api/tests/it/fixtures/hidden-sheet-first.xlsx';

test('a check names the sheet that is read, and the cells that the spreadsheet has changed', async ({ page }) => {
	const buffer = await readFile(new URL(WORKBOOK, `file://${process.cwd()}/`));
	const mimeType = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
	await signIn(page, ADMIN, '/imports');
	await page.getByLabel(/Choose a file/).setInputFiles({ name: 'march.xlsx', mimeType, buffer });
	await page.getByRole('button', { name: 'Check first' }).click();
	await expect(page.getByTestId('import-status')).toHaveText('Some rows refused');
	await expect(page.getByTestId('import-sheet')).toHaveText('March bags');
	await expect(page.getByTestId('rows-accepted')).toHaveText('1');
	const refused = page.getByTestId('refused');
	await expect(refused.getByRole('row', { name: /^3/ })).toContainText('Cell A3 shows "1-Mar" and holds a date');
	await expect(refused.getByRole('row', { name: /^4/ })).toContainText('Cell A4 shows "00123"');
	await expect(refused.getByRole('row', { name: /^4/ })).toContainText('Format the column as text');
});

test('a check of a CSV file names no sheet', async ({ page }) => {
	await signIn(page, ADMIN, '/imports');
	const buffer = Buffer.from('qr_code,name\nHS-2,\n4.6E+04,\n');
	await page.getByLabel(/Choose a file/).setInputFiles({ name: 'codes.csv', mimeType: 'text/csv', buffer });
	await page.getByRole('button', { name: 'Check first' }).click();
	await expect(page.getByTestId('import-status')).toHaveText('Some rows refused');
	await expect(page.getByTestId('import-sheet')).toHaveCount(0);
	await expect(page.getByTestId('refused').getByRole('row', { name: /^3/ })).toContainText('4.6E+04');
});
