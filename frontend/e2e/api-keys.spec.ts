import { ADMIN, expect, portrait, signIn, test } from './support/test';

test('a key is made, works for what it may and nothing else, and ends when it is revoked', async ({
	page,
	warehouse,
	baseURL
}) => {
	await signIn(page, ADMIN, '/api-keys');
	await page.getByRole('button', { name: 'Create key' }).first().click();
	const dialog = page.getByRole('dialog');
	await expect(dialog).toContainText('The key acts on your behalf');
	await dialog.getByLabel('Name').fill('Weighbridge');
	await dialog.getByRole('button', { name: 'Create key' }).click();
	await expect(dialog.getByRole('alert')).toHaveText('Select at least one permission.');
	await dialog.getByRole('button', { name: 'Scanner or gate' }).click();
	await expect(dialog.getByLabel('Scans: change')).toBeChecked();
	await expect(dialog.getByLabel('Bills: read')).not.toBeChecked();
	await dialog.getByLabel('Expires').selectOption('90');
	await dialog.getByLabel('Rate limit per minute').fill('600');
	await portrait(page, 'api-keys-create');
	await dialog.getByRole('button', { name: 'Create key' }).click();
	const key = await dialog.getByTestId('secret').innerText();
	expect(key).toMatch(/^ttk_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/);
	await expect(dialog).toContainText(`curl -H 'Authorization: Bearer ${key}'`);
	await portrait(page, 'api-keys-made');
	await dialog.getByRole('button', { name: 'I have saved the key' }).click();
	await expect(page.getByText(key)).toBeHidden();

	const call = (path: string, body?: object) =>
		fetch(`${baseURL}/api/v1${path}`, {
			method: body ? 'POST' : 'GET',
			headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
			...(body ? { body: JSON.stringify(body) } : {})
		}).then((answer) => answer.status);
	expect(await call('/bags')).toBe(200);
	const scanned = warehouse.parentCode();
	expect(await call('/scans', { qr_code: scanned })).toBe(201);
	expect(await call('/bills')).toBe(403);
	expect(await call('/bags', { qr_code: warehouse.parentCode() })).toBe(403);

	const row = page.getByRole('row', { name: /Weighbridge/ });
	await expect(row).toContainText('Bags: read · Scans: change');
	await expect(row).toContainText('Active');
	await portrait(page, 'api-keys');
	await page.getByRole('button', { name: 'Revoke Weighbridge' }).click();
	await portrait(page, 'api-keys-revoke');
	await dialog.getByRole('button', { name: 'Revoke' }).click();
	await expect(row).toContainText('Revoked');
	await expect(page.getByRole('button', { name: 'Revoke Weighbridge' })).toBeHidden();
	expect(await call('/bags')).toBe(401);

	// Everything that was done with it names it.
	await page.goto('/audit-log');
	const opened = page.getByRole('row', { name: new RegExp(`admin created bag ${scanned}`) });
	await expect(opened).toContainText('With the API key Weighbridge');
	await portrait(page, 'audit-log-api-key');
	await opened.getByRole('link').click();
	await page.getByRole('link', { name: 'Everything done with the API key Weighbridge' }).click();
	await expect(page).toHaveURL(/api_key_id=\d+/);
	await expect(page.getByLabel('API key')).toHaveValue(/\d+/);
	await expect(opened).toBeVisible();
});
