import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { ADMIN, expect, portrait, signIn, test } from './support/test';
import { Warehouse } from './support/warehouse';

// Many portraits: each looks at four screens.

test.use({ timezoneId: 'Asia/Kolkata' });

test('each report shows the numbers, and its address and file say the same', async ({ browser }) => {
	// A warehouse of its own: what other tests scan would be in the numbers.
	const warehouse = await Warehouse.open();
	const page = await browser.newPage({ baseURL: warehouse.server.url, timezoneId: 'Asia/Kolkata' });
	try {
		await readReports(page, warehouse);
	} finally {
		await page.close();
		await warehouse.server.stop();
	}
});

async function readReports(page: Page, warehouse: Warehouse): Promise<void> {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`, `C${parent}-2`]);
	const bill = await warehouse.bill([parent], 1, 'Kanpur');
	await signIn(page, ADMIN, '/reports');
	await expect(page.getByTestId('scans')).toHaveText('3');
	await expect(page.getByRole('row', { name: /^admin/ })).toContainText('3');
	await portrait(page, 'reports-daily-scans');

	const reports = page.getByRole('navigation', { name: 'Reports' });
	await reports.getByRole('link', { name: 'End of day' }).click();
	await expect(page.getByTestId('variance')).toHaveText('-28 kg');
	await portrait(page, 'reports-end-of-day');

	await reports.getByRole('link', { name: 'Bills' }).click();
	await expect(page).toHaveURL(/report=bill-summary/);
	await expect(page.getByRole('row', { name: new RegExp(bill) })).toContainText('-28 kg');
	await portrait(page, 'reports-bills');
	const saving = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download' }).click();
	await page.getByRole('menuitem', { name: 'CSV' }).click();
	const file = await saving;
	expect(file.suggestedFilename()).toMatch(/^bill-summary-.*\.csv$/);
	expect(await readFile(await file.path(), 'utf8')).toContain(`${bill},Kanpur`);

	await reports.getByRole('link', { name: 'Areas' }).click();
	await expect(page.getByRole('row', { name: /^Lucknow/ })).toBeVisible();
	await portrait(page, 'reports-areas');
	await reports.getByRole('link', { name: 'People' }).click();
	await expect(page.getByRole('row', { name: /^admin/ })).toBeVisible();
	await portrait(page, 'reports-people');

	await page.goto('/reports?report=bill-summary&from=2020-01-01&to=2020-01-31');
	await expect(page.getByText('No bills were created in this period')).toBeVisible();
	await expect(page.getByLabel('From')).toHaveValue('2020-01-01');
}

test('paper shows the report and nothing of the app around it', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	await signIn(page, ADMIN, '/reports?report=end-of-day');
	await expect(page.getByTestId('scans')).toBeVisible();
	await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
	await expect(page.getByRole('button', { name: 'Print' })).toBeHidden();
	await expect(page.getByRole('navigation', { name: 'Reports' })).toBeHidden();
	await expect(page.getByTestId('scans')).toBeVisible();
	expect(await page.locator('body').evaluate((body) => getComputedStyle(body).color)).toBe('rgb(18, 22, 31)');
});

test('a packer has the report of own scans alone', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('dispatcher'), '/reports');
	await expect(page.getByRole('heading', { name: 'Daily scans' })).toBeVisible();
	await expect(page.getByRole('navigation', { name: 'Reports' })).toBeHidden();
	await portrait(page, 'reports-packer');
	await page.goto('/reports?report=bill-summary');
	await expect(page.getByText('This report is for billers and admins')).toBeVisible();
	await portrait(page, 'reports-forbidden');
});
