import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

async function saved(page: Page): Promise<string> {
	const saving = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download', exact: true }).click();
	const text = await readFile(await (await saving).path(), 'utf8');
	await expect(page.getByRole('status')).toContainText('Saved:');
	return text;
}

// Many portraits: each looks at four screens.

test('bags are exported as they are filtered', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`, `C${parent}-2`]);
	await signIn(page, await warehouse.person('biller'), '/exports');
	await expect(page.getByRole('radio', { name: /^Audit log/ })).toBeHidden();
	await portrait(page, 'exports');
	await page.goto(`/exports?what=bags&q=${parent}&kind=child`);
	await expect(page.getByLabel('Kind')).toHaveValue('child');
	const lines = (await saved(page)).trim().split('\r\n');
	expect(lines).toHaveLength(3);
	expect(lines[0]).toContain('qr_code');
	expect(
		lines
			.slice(1)
			.map((line) => line.split(',')[0])
			.sort()
	).toEqual([`C${parent}-1`, `C${parent}-2`]);
	await portrait(page, 'exports-saved');

	await page.getByRole('radio', { name: /^NDJSON/ }).check();
	await expect(page).toHaveURL(/format=ndjson/);
	const objects = (await saved(page))
		.trim()
		.split('\n')
		.map((line) => JSON.parse(line) as { parent: string });
	expect(objects.map(({ parent: into }) => into)).toEqual([parent, parent]);

	await page.getByRole('radio', { name: /^Child bags in parents/ }).check();
	await page.getByLabel('Parent bag').fill(parent);
	await expect(page).toHaveURL(/parent=SB/);
	expect(await saved(page)).toContain(`"parent_qr_code":"${parent}"`);
});

test('a large export goes straight to the disk, and can be cancelled', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	// A real file, in the browser's own storage: nobody can answer the dialog here.
	await page.addInitScript(() => {
		Object.assign(window, {
			showSaveFilePicker: async ({ suggestedName }: { suggestedName: string }) =>
				(await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true })
		});
	});
	await signIn(page, ADMIN, `/exports?what=links&parent=${parent}`);
	await page.getByLabel(/Save directly to disk/).check();
	await page.getByRole('button', { name: 'Download', exact: true }).click();
	await expect(page.getByRole('status')).toContainText('Saved:');
	const text = await page.evaluate(async () => {
		const folder = await navigator.storage.getDirectory();
		for await (const [name, handle] of folder as unknown as AsyncIterable<[string, FileSystemFileHandle]>)
			if (name.startsWith('links-')) return (await handle.getFile()).text();
		return '';
	});
	expect(text).toContain(`${parent},C${parent}-1`);

	// An answer that does not come: the server is held back until the download is cancelled.
	await page.route('**/api/v1/exports/**', () => undefined);
	await page.getByRole('button', { name: 'Download', exact: true }).click();
	await page.getByRole('button', { name: 'Cancel' }).click();
	await expect(page.getByRole('status')).toHaveText('Cancelled.');
});

test('a packer is told whose the exports are', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('dispatcher'), '/exports');
	await expect(page.getByText('Exports are for billers and admins')).toBeVisible();
	await portrait(page, 'exports-forbidden');
});
