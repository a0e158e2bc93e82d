import { createHmac } from 'node:crypto';
import type { Page } from '@playwright/test';
import { apiAs } from './support/api-as';
import { Server } from './support/server';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

/** Opens the menu of a row and takes an item. */
async function choose(page: Page, name: string, item: string): Promise<void> {
	await page.getByRole('button', { name: `Actions for ${name}` }).click();
	await page.getByRole('menuitem', { name: item }).click();
}

/** The code of an authenticator app (RFC 6238) for a secret in base 32. */
function totp(secret: string): string {
	const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
	const bits = [...secret.replace(/=+$/, '')].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
	const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
	const counter = Buffer.alloc(8);
	counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
	const digest = createHmac('sha1', key).update(counter).digest();
	const offset = (digest.at(-1) ?? 0) & 15;
	return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

test('a person is added with a made password, changed, disabled and back again, and deleted', async ({
	page,
	browser,
	baseURL
}) => {
	await signIn(page, ADMIN, '/users');
	await page.getByRole('button', { name: 'Add person' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Username').fill('gauri');
	await dialog.getByLabel('Area').selectOption('Jaipur');
	await dialog.getByRole('button', { name: 'Generate password' }).click();
	await expect(dialog.getByLabel('Password', { exact: true })).toHaveValue(/^(?:[A-Za-z0-9]{4}-){3}[A-Za-z0-9]{4}$/);
	await portrait(page, 'users-add');
	await dialog.getByRole('button', { name: 'Add', exact: true }).click();
	await expect(dialog.getByRole('status')).toHaveText('gauri can sign in now.');
	const password = await dialog.getByTestId('handed-password').innerText();
	await portrait(page, 'users-handed-over');
	await dialog.getByRole('button', { name: 'Close' }).last().click();
	await expect(dialog).toBeHidden();

	const phone = await browser.newPage({ baseURL });
	await signIn(phone, { username: 'gauri', password });
	await expect(phone.getByRole('button', { name: 'Account of gauri' })).toBeVisible();
	await phone.close();

	await portrait(page, 'users');
	await page.getByLabel('Search by name or email').fill('gau');
	await expect(page).toHaveURL(/q=gau/);
	await expect(page.getByRole('row')).toHaveCount(2);
	await choose(page, 'gauri', 'Edit');
	await dialog.getByLabel('Role').selectOption('biller');
	await dialog.getByLabel('Email').fill('gauri@example.com');
	await portrait(page, 'users-edit');
	await dialog.getByRole('button', { name: 'Save' }).click();
	await expect(dialog).toBeHidden();
	await expect(page.getByRole('row', { name: /gauri/ })).toContainText('Biller');

	await choose(page, 'gauri', 'Disable');
	await portrait(page, 'users-disable');
	await dialog.getByRole('button', { name: 'Disable' }).click();
	await expect(page.getByRole('row', { name: /gauri/ })).toContainText('Disabled');
	await page.getByRole('button', { name: 'Undo' }).click();
	await expect(page.getByRole('row', { name: /gauri/ })).toContainText('Active');

	await page.getByRole('link', { name: 'gauri' }).click();
	await expect(page.getByTestId('person-role')).toHaveText('Biller');
	await expect(page.getByText('admin enabled gauri')).toBeVisible();
	await portrait(page, 'user');
	await choose(page, 'gauri', 'Delete');
	await expect(dialog).toContainText('Scans, bags, bills and their history');
	await portrait(page, 'users-delete');
	await dialog.getByLabel('Type gauri to confirm').fill('gaurav');
	await dialog.getByRole('button', { name: 'Delete permanently' }).click();
	await expect(dialog).toBeVisible();
	await dialog.getByLabel('Type gauri to confirm').fill('gauri');
	await dialog.getByRole('button', { name: 'Delete permanently' }).click();
	await expect(page).toHaveURL(/\/users$/);
	await page.getByLabel('Search by name or email').fill('gauri');
	await expect(page.getByText('No people found')).toBeVisible();
});

test('a change that somebody else was faster with is not lost on either side', async ({ page, warehouse, baseURL }) => {
	const person = await warehouse.person('dispatcher');
	const elsewhere = await apiAs(baseURL ?? '', ADMIN);
	await signIn(page, ADMIN, `/users?q=${person.username}`);
	await choose(page, person.username, 'Edit');
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Email').fill('mine@example.com');
	const { data } = await elsewhere.GET('/api/v1/users', { params: { query: { q: person.username } } });
	const id = data?.data[0]?.id ?? 0;
	await elsewhere.PATCH('/api/v1/users/{id}', {
		params: { path: { id } },
		headers: { 'if-match': '*' },
		body: { dispatch_area: 'Indore' }
	});
	await dialog.getByRole('button', { name: 'Save' }).click();
	await expect(dialog.getByRole('alert')).toContainText('Someone else changed this person');
	await expect(dialog.getByLabel('Area')).toHaveValue('Indore');
	await dialog.getByLabel('Email').fill('mine@example.com');
	await dialog.getByRole('button', { name: 'Save' }).click();
	await expect(dialog).toBeHidden();
	const after = await elsewhere.GET('/api/v1/users/{id}', { params: { path: { id } } });
	expect(after.data).toMatchObject({ email: 'mine@example.com', dispatch_area: 'Indore' });
});

test('a locked person is unlocked, gets a new password, and a lost second factor is reset', async ({
	page,
	warehouse,
	baseURL
}) => {
	const person = await warehouse.person('dispatcher');
	const own = await apiAs(baseURL ?? '', person);
	const { data: setup } = await own.POST('/api/v1/me/2fa/setup');
	const { response } = await own.POST('/api/v1/me/2fa/enable', { body: { code: totp(setup?.secret ?? '') } });
	expect(response.status).toBe(200);
	for (let turn = 0; turn < 5; turn += 1) {
		await fetch(`${baseURL}/api/v1/auth/login`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ ...person, password: 'Wrong-Password-1' })
		});
	}
	await signIn(page, ADMIN, `/users?q=${person.username}`);
	await expect(page.getByRole('row', { name: new RegExp(person.username) })).toContainText('Locked');
	await page.getByRole('link', { name: person.username, exact: true }).click();
	await expect(page.getByText(/Locked until .* after too many wrong passwords or codes/)).toBeVisible();
	await portrait(page, 'user-locked');
	await page.getByRole('button', { name: 'Unlock' }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Unlock' }).click();
	await expect(page.getByText(/Locked until .* after too many wrong passwords or codes/)).toBeHidden();

	await choose(page, person.username, 'Reset two-factor authentication');
	await page.getByRole('dialog').getByRole('button', { name: 'Reset two-factor authentication' }).click();
	await expect(page.getByRole('dialog')).toBeHidden();

	await choose(page, person.username, 'Set password');
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Password', { exact: true }).fill('short');
	await dialog.getByRole('button', { name: 'Set password' }).click();
	await expect(dialog.getByRole('alert')).toBeVisible();
	await portrait(page, 'users-password');
	await dialog.getByLabel('Password', { exact: true }).fill('Found-Again-7');
	await dialog.getByRole('button', { name: 'Set password' }).click();
	await expect(dialog).toBeHidden();
	// No second factor is asked for any more, and the new password is the right one.
	await apiAs(baseURL ?? '', { ...person, password: 'Found-Again-7' });
});

test('the last admin stays, and nobody changes their own role', async ({ page }) => {
	const server = await Server.start({ ADMIN_PASSWORD: ADMIN.password });
	try {
		await signIn(page, ADMIN, `${server.url}/users`);
		await choose(page, 'admin', 'Edit');
		const dialog = page.getByRole('dialog');
		await expect(dialog.getByLabel('Role')).toBeDisabled();
		await expect(dialog).toContainText("You can't change your own role.");
		await dialog.getByRole('button', { name: 'Cancel' }).click();
		await choose(page, 'admin', 'Disable');
		await dialog.getByRole('button', { name: 'Disable' }).click();
		await expect(dialog.getByRole('alert')).toContainText('This is the last active admin.');
		await dialog.getByRole('button', { name: 'Cancel' }).click();
		await expect(page.getByRole('row', { name: /admin/ })).toContainText('Active');
	} finally {
		await page.close();
		await server.stop();
	}
});

test('an area is added, renamed, closed and opened again', async ({ page }) => {
	await signIn(page, ADMIN, '/areas');
	await page.getByRole('button', { name: 'Add area' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Code').fill('lucknow');
	await dialog.getByRole('button', { name: 'Add', exact: true }).click();
	await expect(dialog.getByRole('alert')).toContainText('already');
	await dialog.getByLabel('Code').fill('Nagpur');
	await portrait(page, 'areas-add');
	await dialog.getByRole('button', { name: 'Add', exact: true }).click();
	await expect(page.getByRole('row', { name: /Nagpur/ })).toContainText('In use');
	await choose(page, 'Nagpur', 'Rename');
	await dialog.getByLabel('Name').fill('Nagpur East');
	await dialog.getByRole('button', { name: 'Save' }).click();
	await expect(page.getByRole('rowheader', { name: 'Nagpur East' })).toBeVisible();
	await choose(page, 'Nagpur East', 'Close');
	await portrait(page, 'areas-close');
	await dialog.getByRole('button', { name: 'Close', exact: true }).last().click();
	await expect(page.getByRole('row', { name: /Nagpur East/ })).toContainText('Closed');
	await portrait(page, 'areas');
	await choose(page, 'Nagpur East', 'Reopen');
	await expect(page.getByRole('row', { name: /Nagpur East/ })).toContainText('In use');
});

test('a format is tried before it is added, and from then on scans are matched with it', async ({ page, baseURL }) => {
	await signIn(page, ADMIN, '/formats');
	const tester = page.getByLabel('Code to test');
	const verdict = page.getByTestId('verdict');
	for (const [code, words] of [
		['sb12345', 'SB12345 is a code of Mustard (Parent).'],
		['WH-123456', 'WH-123456 is a code of Child (Child).'],
		['sb12', 'SB12 looks like a damaged parent label. It is refused.'],
		['4006381333931', '4006381333931 is a product barcode. It is refused.'],
		['<script>', 'Not a bag code']
	] as const) {
		await tester.fill(code);
		await expect(verdict).toContainText(words);
	}
	await portrait(page, 'formats');
	await page.getByRole('button', { name: 'Add format' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Name').fill('Wheat');
	await dialog.getByLabel('Begins with').fill('wh-');
	await dialog.getByLabel('Minimum digits').fill('6');
	await dialog.getByLabel('Maximum digits').fill('6');
	await dialog.getByLabel('Capacity (child bags)').fill('20');
	await dialog.getByLabel('Code to test').fill('WH-123456');
	await expect(dialog.getByTestId('verdict')).toHaveText('WH-123456 is a code of Wheat (Parent).');
	await portrait(page, 'formats-add');
	await dialog.getByRole('button', { name: 'Add', exact: true }).click();
	await expect(page.getByRole('row', { name: /Wheat/ })).toContainText('WH- and 6 digits');
	// The browser's verdict is the server's.
	await tester.fill('WH-654321');
	await expect(verdict).toContainText('Wheat (Parent)');
	const { data } = await (await apiAs(baseURL ?? '', ADMIN)).POST('/api/v1/scans', { body: { qr_code: 'WH-654321' } });
	expect(data?.bag).toMatchObject({ kind: 'parent', format: 'Wheat', capacity: 20 });

	await page.getByRole('button', { name: 'Edit Wheat' }).click();
	await expect(dialog.getByLabel('Kind')).toBeHidden();
	await expect(dialog).toContainText("can't be changed");
	await dialog.getByLabel('Capacity (child bags)').fill('25');
	await portrait(page, 'formats-edit');
	await dialog.getByRole('button', { name: 'Save' }).click();
	await expect(page.getByRole('row', { name: /Wheat/ })).toContainText('25');
});

test('a biller who comes to a page of the administration is told so kindly', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('biller'), '/users');
	for (const path of [
		'/users',
		'/users/1',
		'/areas',
		'/formats',
		'/api-keys',
		'/audit-log',
		'/audit-log/1',
		'/system'
	]) {
		await page.goto(path);
		await expect(page.getByRole('heading', { name: 'Only for admins' })).toBeVisible();
	}
	await portrait(page, 'admin-refused');
	await page.getByRole('main').getByRole('link', { name: 'Go to overview' }).click();
	await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
});
