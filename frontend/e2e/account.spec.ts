import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { mailTo } from './support/mail';
import { ADMIN, expect, portrait, signIn, test } from './support/test';
import { totp } from './support/totp';
import { Warehouse } from './support/warehouse';

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });

/** Sets the second factor up in what is open, and returns its secret and the recovery codes. */
async function setUpFactor(page: Page): Promise<{ secret: string; recovery: string[] }> {
	const secret = await page.getByTestId('secret').innerText();
	await expect(page.getByRole('img', { name: 'QR code for the authenticator app' })).toBeVisible();
	await page.getByLabel('Code', { exact: true }).fill('000000');
	await page.getByRole('button', { name: 'Turn on' }).click();
	await expect(page.getByRole('alert')).toContainText('code');
	// The step before is good too; so the next ones are left for signing in.
	await page.getByLabel('Code', { exact: true }).fill(totp(secret, -1));
	await page.getByRole('button', { name: 'Turn on' }).click();
	await expect(page.getByText('Recovery codes for TraitorTrack')).toBeVisible();
	const recovery = await page.locator('[data-print-alone] li').allInnerTexts();
	return { secret, recovery };
}

async function signOut(page: Page, name: string): Promise<void> {
	await page.getByRole('button', { name: `Account of ${name}` }).click();
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await expect(heading(page, 'Sign in')).toBeVisible();
}

test('the second factor: set up, sign in with it, with a recovery code, turn it off', async ({ page, warehouse }) => {
	const person = await warehouse.person('biller');
	await signIn(page, person, '/profile');
	await portrait(page, 'profile');
	await page.getByRole('button', { name: 'Set up' }).click();
	await expect(page.getByTestId('secret')).toBeVisible();
	await portrait(page, 'second-factor-setup');
	const { secret, recovery } = await setUpFactor(page);
	expect(recovery).toHaveLength(10);
	await portrait(page, 'recovery-codes');
	await expect(page.getByRole('button', { name: 'Done' })).toBeDisabled();
	const file = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download', exact: true }).click();
	expect((await readFile(await (await file).path(), 'utf8')).trim().split('\n')).toEqual(recovery);
	await page.getByLabel('I have saved these codes').check();
	await page.getByRole('button', { name: 'Done' }).click();
	await expect(page.getByRole('button', { name: 'Turn off two-factor authentication' })).toBeVisible();

	await signOut(page, person.username);
	await signIn(page, person, '/profile');
	await expect(heading(page, 'Two-factor authentication')).toBeVisible();
	await portrait(page, 'second-factor-code');
	await page.getByLabel('Code', { exact: true }).fill('12345');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(page.getByRole('alert')).toContainText('code is wrong');
	await page.getByLabel('Code', { exact: true }).fill(totp(secret));
	await expect(heading(page, 'Profile')).toBeVisible();

	await signOut(page, person.username);
	await signIn(page, person, '/profile');
	await page.getByRole('button', { name: 'Use a recovery code' }).click();
	await page.getByLabel('Recovery code').fill(recovery[0] ?? '');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(heading(page, 'Profile')).toBeVisible();

	await page.getByRole('button', { name: 'Turn off two-factor authentication' }).click();
	const dialog = page.getByTestId('dialog');
	await portrait(page, 'second-factor-off');
	await dialog.getByLabel('Password', { exact: true }).fill(person.password);
	// A recovery code is good once.
	await dialog.getByLabel('Code', { exact: true }).fill(recovery[0] ?? '');
	await dialog.getByRole('button', { name: 'Turn off two-factor authentication' }).click();
	await expect(dialog.getByRole('alert')).toContainText('code is wrong');
	await dialog.getByLabel('Code', { exact: true }).fill(recovery[1] ?? '');
	await dialog.getByRole('button', { name: 'Turn off two-factor authentication' }).click();
	await expect(page.getByRole('button', { name: 'Set up' })).toBeVisible();
	await signOut(page, person.username);
	await signIn(page, person, '/profile');
	await expect(heading(page, 'Profile')).toBeVisible();
});

test('a role that demands a second factor gets in only with one', async ({ page }) => {
	const warehouse = await Warehouse.open({ TWO_FACTOR_REQUIRED_ROLES: 'biller' });
	try {
		const person = await warehouse.person('biller');
		await signIn(page, person, `${warehouse.server.url}/bags`);
		await expect(heading(page, 'Set up two-factor authentication')).toBeVisible();
		await page.goto(`${warehouse.server.url}/profile`);
		await expect(page).toHaveURL(/\/second-factor$/);
		await expect(page.getByTestId('secret')).toBeVisible();
		await portrait(page, 'second-factor-demanded');
		await setUpFactor(page);
		await page.getByLabel('I have saved these codes').check();
		await page.getByRole('button', { name: 'Done' }).click();
		await expect(heading(page, 'Overview')).toBeVisible();
	} finally {
		await page.close();
		await warehouse.server.stop();
	}
});

test('sessions are listed in words, and can be ended', async ({ page, browser, baseURL, warehouse }) => {
	const person = await warehouse.person('biller');
	const context = await browser.newContext({
		...(baseURL ? { baseURL } : {}),
		userAgent:
			'Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36'
	});
	const phone = await context.newPage();
	await signIn(phone, person);
	await signIn(page, person, '/profile');
	const sessions = page.getByTestId('sessions').getByRole('listitem');
	await expect(sessions).toHaveCount(2);
	await expect(sessions.filter({ hasText: 'This device' })).toContainText('on Linux');
	await portrait(page, 'profile-sessions');
	await page.getByRole('button', { name: 'Sign out Chrome on Android' }).click();
	await expect(sessions).toHaveCount(1);
	await phone.goto('/bags');
	await expect(phone.getByText('Your session has ended')).toBeVisible();
	await signIn(phone, person, '/bags');
	await page.getByRole('button', { name: 'Sign out everywhere' }).click();
	await page.getByTestId('dialog').getByRole('button', { name: 'Sign out everywhere' }).click();
	await expect(heading(page, 'Sign in')).toBeVisible();
	await phone.goto('/bags');
	await expect(heading(phone, 'Sign in')).toBeVisible();
	await context.close();
});

test('the password is changed, and the old one no longer good', async ({ page, warehouse }) => {
	const person = await warehouse.person('dispatcher');
	await signIn(page, person, '/profile');
	const change = page.getByRole('region', { name: 'Password', exact: true });
	const tries: string[] = [];
	page.on('request', (request) => request.url().endsWith('/me/password') && tries.push(request.method()));
	await change.getByLabel('Current password').fill('Wrong-Password-1');
	await change.getByLabel('New password', { exact: true }).fill('Fresh-Start-22');
	await change.getByLabel('Confirm new password').fill('Fresh-Start-22');
	await change.getByRole('button', { name: 'Set password' }).click();
	await expect(change.getByRole('alert')).toContainText('current password is wrong');
	expect(tries, 'a wrong password is sent once').toEqual(['POST']);
	await change.getByLabel('Current password').fill(person.password);
	await change.getByRole('button', { name: 'Set password' }).click();
	await expect(page.getByText('Your password has been changed.')).toBeVisible();
	await signOut(page, person.username);
	await signIn(page, { ...person, password: 'Fresh-Start-22' }, '/profile');
	await expect(heading(page, 'Profile')).toBeVisible();
});

test('a forgotten password is replaced with the link of the e-mail, once', async ({ page, warehouse }) => {
	const person = await warehouse.person('dispatcher');
	const address = `${person.username}@example.com`;
	await signIn(page, person, '/profile');
	const contact = page.getByRole('region', { name: 'Email' });
	await contact.getByRole('textbox').fill(address);
	await contact.getByRole('button', { name: 'Save' }).click();
	await expect(page.getByText('Saved.')).toBeVisible();
	await signOut(page, person.username);

	await page.getByRole('link', { name: 'Forgot password?' }).click();
	await expect(heading(page, 'Reset your password')).toBeVisible();
	await portrait(page, 'forgot-password');
	await page.getByLabel('Email').fill(address);
	await page.getByRole('button', { name: 'Send link' }).click();
	await expect(page.getByRole('status').filter({ hasText: 'we have sent it a link' })).toBeVisible();
	await portrait(page, 'forgot-password-sent');

	const mail = await mailTo(warehouse.server.mailFolder, address);
	const link = /http\S+\/reset-password#token=[\w-]+/.exec(mail)?.[0] ?? '';
	const path = link.replace(/^https?:\/\/[^/]+/, '');
	expect(path).toContain('#token=');
	await page.goto(path);
	await expect(page.getByLabel('Confirm new password')).toBeVisible();
	await expect(page).toHaveURL(/\/reset-password$/);
	await page.getByLabel('New password', { exact: true }).fill('Found-Again-33');
	await page.getByLabel('Confirm new password').fill('Found-Again-33');
	await portrait(page, 'reset-password');
	await page.getByRole('button', { name: 'Set password' }).click();
	await expect(page.getByRole('status').filter({ hasText: 'Your password has been changed' })).toBeVisible();
	await portrait(page, 'reset-password-done');
	await page.getByRole('link', { name: 'Sign in' }).click();
	await signIn(page, { ...person, password: 'Found-Again-33' }, '/profile');
	await expect(heading(page, 'Profile')).toBeVisible();
	await signOut(page, person.username);

	await page.goto(path);
	await page.getByLabel('New password', { exact: true }).fill('Found-Again-44');
	await page.getByLabel('Confirm new password').fill('Found-Again-44');
	await page.getByRole('button', { name: 'Set password' }).click();
	await expect(page.getByRole('alert')).toContainText('no longer works');
	await portrait(page, 'reset-password-used');
	await expect(page.getByRole('link', { name: 'Get a new link' })).toBeVisible();
});

test('everything stored about a person can be downloaded', async ({ page, warehouse }) => {
	const person = await warehouse.person('dispatcher');
	await signIn(page, person, '/profile');
	const file = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download my data' }).click();
	const text = await readFile(await (await file).path(), 'utf8');
	const data = JSON.parse(text) as { user: { username: string }; sessions: unknown[] };
	expect(data.user.username).toBe(person.username);
	expect(data.sessions.length).toBeGreaterThan(0);
});

test('language and look are set, and kept on the device', async ({ page }) => {
	await signIn(page, ADMIN, '/settings');
	await expect(page.getByTestId('version')).toHaveText(/^\d+\.\d+\.\d+/);
	await expect(page.getByRole('link', { name: 'API documentation' })).toHaveAttribute('href', '/docs/');
	await portrait(page, 'settings');
	await page.getByLabel('Contrast').selectOption('high');
	await page.getByLabel('Row spacing').selectOption('compact');
	await page.getByLabel('Theme').selectOption('dark');
	const html = page.locator('html');
	await expect(html).toHaveAttribute('data-contrast', 'high');
	await expect(html).toHaveAttribute('data-density', 'compact');
	await page.getByLabel('Language', { exact: true }).selectOption('hi');
	await expect(heading(page, 'सेटिंग')).toBeVisible();
	await expect(html).toHaveAttribute('lang', 'hi');
	await expect(html).toHaveAttribute('data-theme', 'dark');
	await expect(html).toHaveAttribute('data-contrast', 'high');
	await portrait(page, 'settings-hindi');
});
