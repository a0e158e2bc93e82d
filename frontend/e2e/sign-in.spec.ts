import { Server } from './support/server';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

test('the first admin signs in with the printed password and has to choose another', async ({ page }) => {
	test.setTimeout(120_000);
	const server = await Server.start();
	try {
		await signIn(page, { username: 'admin', password: server.firstPassword() }, server.url);
		await expect(page.getByRole('heading', { name: 'Choose your password' })).toBeVisible();
		await page.goto(`${server.url}/users`);
		await expect(page).toHaveURL(/\/password$/);
		await portrait(page, 'password');
		await page.getByLabel('Password now').fill(server.firstPassword());
		await page.getByLabel('New password', { exact: true }).fill('Brand-New-Pass-1');
		await page.getByLabel('New password again').fill('Brand-New-Pass-2');
		await page.getByRole('button', { name: 'Save' }).click();
		await expect(page.getByRole('alert')).toHaveText('The two new passwords differ.');
		await page.getByLabel('New password again').fill('Brand-New-Pass-1');
		await page.getByRole('button', { name: 'Save' }).click();
		await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
	} finally {
		await page.close();
		await server.stop();
	}
});

test('a wrong password is said so, a right one leads to the page that was wanted', async ({ page }) => {
	await page.goto('/bags?kind=parent');
	await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
	await portrait(page, 'sign-in');
	await page.getByLabel('User name or e-mail').fill(ADMIN.username);
	await page.getByLabel('Password').fill('Wrong-Password-1');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(page.getByRole('alert')).toContainText('password');
	await page.getByLabel('Password').fill(ADMIN.password);
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(page).toHaveURL(/\/bags\?kind=parent$/);
	await expect(page.getByRole('heading', { name: 'Bags' })).toBeVisible();
});

test('a session lasts over a reload and ends with signing out', async ({ page }) => {
	await signIn(page, ADMIN);
	await page.reload();
	await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
	await page.locator('summary').click();
	await page.getByRole('button', { name: 'Sign out' }).click();
	await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
	await page.reload();
	await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('a link can not send people to another site after signing in', async ({ page, baseURL }) => {
	await signIn(page, ADMIN, '/login?next=//evil.example/');
	await expect(page).toHaveURL(`${baseURL}/`);
});

test('the admin adds a packer, who can sign in and sees no user management', async ({ page, browser, baseURL }) => {
	await signIn(page, ADMIN, '/users');
	await page.getByRole('button', { name: 'Add a person' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('User name').fill('sunita');
	await dialog.getByLabel('Password', { exact: true }).fill('short');
	await dialog.getByLabel('Area').selectOption({ index: 1 });
	await dialog.getByRole('button', { name: 'Add', exact: true }).click();
	await expect(dialog.getByRole('alert')).toBeVisible();
	await dialog.getByLabel('Password', { exact: true }).fill('Packs-All-Day-1');
	await dialog.getByRole('button', { name: 'Add', exact: true }).click();
	await expect(dialog.getByRole('status')).toHaveText('sunita can sign in now.');
	await dialog.getByRole('button', { name: 'Close' }).last().click();
	await expect(page.getByRole('rowheader', { name: 'sunita' })).toBeVisible();

	const phone = await browser.newPage({ baseURL });
	await signIn(phone, { username: 'sunita', password: 'Packs-All-Day-1' });
	await expect(phone.getByRole('link', { name: 'Scan', exact: true }).first()).toBeVisible();
	await expect(phone.getByRole('link', { name: 'People' })).toBeHidden();
	await phone.close();
});
