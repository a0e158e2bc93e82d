import type { Page } from '@playwright/test';
import { Server } from './support/server';
import { ADMIN, PHONE, expect, portrait, signIn, test } from './support/test';

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });
const password = (page: Page) => page.getByLabel('Password', { exact: true });
const submit = (page: Page) => page.getByRole('button', { name: 'Sign in' });

test('the first admin signs in with the printed password and has to choose another', async ({ page }) => {
	const server = await Server.start();
	try {
		await signIn(page, { username: 'admin', password: server.firstPassword() }, server.url);
		await expect(heading(page, 'Choose your password')).toBeVisible();
		await page.goto(`${server.url}/users`);
		await expect(page).toHaveURL(/\/password$/);
		await page.getByLabel('Current password').fill(server.firstPassword());
		const chosen = page.getByLabel('New password', { exact: true });
		await chosen.fill('brand-new');
		await expect(page.locator('[data-rule=lower]')).toHaveAttribute('data-met', 'true');
		await expect(page.locator('[data-rule=digit]')).toHaveAttribute('data-met', 'false');
		await portrait(page, 'password');
		await chosen.fill('Brand-New-Pass-1');
		await expect(page.locator('[data-met=false]')).toHaveCount(0);
		await page.getByLabel('Confirm new password').fill('Brand-New-Pass-2');
		await page.getByRole('button', { name: 'Set password' }).click();
		await expect(page.getByText("The passwords don't match.")).toBeVisible();
		await page.getByLabel('Confirm new password').fill('Brand-New-Pass-1');
		await page.getByRole('button', { name: 'Set password' }).click();
		await expect(heading(page, 'Overview')).toBeVisible();
	} finally {
		await page.close();
		await server.stop();
	}
});

test('a password that an admin sets is changed at the next sign-in', async ({ page, browser }) => {
	test.setTimeout(180_000);
	const server = await Server.start({ ADMIN_PASSWORD: ADMIN.password, REQUIRE_PASSWORD_CHANGE: 'true' });
	const phone = await browser.newPage({ baseURL: server.url, viewport: PHONE });
	try {
		await signIn(page, ADMIN, `${server.url}/users`);
		await page.getByRole('button', { name: 'Add person' }).click();
		const dialog = page.getByRole('dialog');
		await dialog.getByLabel('Username').fill('sunita');
		await dialog.getByLabel('Password', { exact: true }).fill('Handed-Over-1');
		await dialog.getByLabel('Area').selectOption({ index: 1 });
		await dialog.getByRole('button', { name: 'Add', exact: true }).click();
		await expect(dialog.getByRole('status')).toHaveText('sunita can sign in now.');
		await dialog.getByRole('button', { name: 'Close' }).last().click();

		const choose = async (from: string, to: string) => {
			await signIn(phone, { username: 'sunita', password: from }, '/scan');
			await expect(heading(phone, 'Choose your password')).toBeVisible();
			// No other page is shown before.
			await phone.goto('/scan');
			await expect(phone).toHaveURL(/\/password$/);
			await phone.getByLabel('Current password').fill(from);
			await phone.getByLabel('New password', { exact: true }).fill(to);
			await phone.getByLabel('Confirm new password').fill(to);
			await phone.getByRole('button', { name: 'Set password' }).click();
			await expect(phone.getByRole('link', { name: 'Scan', exact: true }).first()).toBeVisible();
		};
		await choose('Handed-Over-1', 'Packs-All-Day-1');

		// The admin sets another one: the phone is signed out, and asks again.
		await page.getByRole('link', { name: 'sunita', exact: true }).click();
		await page.getByRole('button', { name: 'Actions for sunita' }).click();
		await page.getByRole('menuitem', { name: 'Set password' }).click();
		await dialog.getByLabel('Password', { exact: true }).fill('Handed-Over-2');
		await dialog.getByRole('button', { name: 'Set password' }).click();
		await expect(page.getByText('Must be changed at the next sign-in')).toBeVisible();
		await phone.reload();
		await choose('Handed-Over-2', 'Packs-All-Day-2');
	} finally {
		await phone.close();
		await page.close();
		await server.stop();
	}
});

test('a wrong password is said so, a right one leads to the page that was wanted', async ({ page }) => {
	await page.goto('/bags?kind=parent');
	await expect(heading(page, 'Sign in')).toBeVisible();
	await expect(page.getByText('Your session has ended')).toBeHidden();
	await portrait(page, 'sign-in');
	await page.getByLabel('Username or email').fill(ADMIN.username);
	await password(page).fill('Wrong-Password-1');
	await submit(page).click();
	await expect(page.getByRole('alert')).toContainText('password');
	await portrait(page, 'sign-in-wrong');
	await password(page).fill(ADMIN.password);
	await submit(page).click();
	await expect(page).toHaveURL(/\/bags\?kind=parent$/);
	await expect(heading(page, 'Bags')).toBeVisible();
});

test('nobody waits for the server to see the first page', async ({ page }) => {
	const asked: string[] = [];
	page.on('request', (request) => asked.push(new URL(request.url()).pathname));
	await page.goto('/login');
	await expect(heading(page, 'Sign in')).toBeVisible();
	await expect(page.locator('#start')).toHaveCount(0);
	expect(asked.filter((path) => path.startsWith('/api/'))).toEqual([]);
});

test('the password can be shown, and Caps Lock is noticed', async ({ page }) => {
	await page.setViewportSize(PHONE);
	await page.goto('/login');
	await password(page).fill('Secret-1');
	await expect(password(page)).toHaveAttribute('type', 'password');
	await page.getByRole('button', { name: 'Show password' }).click();
	await expect(password(page)).toHaveAttribute('type', 'text');
	await expect(password(page)).toHaveValue('Secret-1');
	await password(page).focus();
	await password(page).evaluate((input) =>
		input.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', modifierCapsLock: true, bubbles: true }))
	);
	await expect(page.getByText('Caps Lock is on.')).toBeVisible();
	await portrait(page, 'sign-in-caps-lock');
	await password(page).blur();
	await expect(page.getByText('Caps Lock is on.')).toBeHidden();
});

test('a locked account says how long, and counts down', async ({ page, warehouse }) => {
	const person = await warehouse.person('biller');
	await page.goto('/login');
	await page.getByLabel('Username or email').fill(person.username);
	for (let attempt = 1; attempt <= 6; attempt += 1) {
		await password(page).fill(`Wrong-Password-${attempt}`);
		const answered = page.waitForResponse('**/auth/login');
		await submit(page).click();
		if ((await answered).status() === 423) break;
		await expect(page.getByRole('alert')).toBeVisible();
	}
	await expect(page.getByRole('alert')).toContainText('Account temporarily locked');
	const timer = page.getByRole('timer');
	await expect(timer).toHaveText(/^1[45]:\d\d left$/);
	const first = await timer.innerText();
	await expect(timer).not.toHaveText(first);
	await expect(submit(page)).toBeDisabled();
	await portrait(page, 'sign-in-locked');
	// The next person at this device does not wait.
	await page.getByLabel('Username or email').fill(ADMIN.username);
	await expect(page.getByRole('alert')).toBeHidden();
	await password(page).fill(ADMIN.password);
	await submit(page).click();
	await expect(heading(page, 'Overview')).toBeVisible();
});

test('a name that does not exist is locked with the same words', async ({ page }) => {
	await page.goto('/login');
	await page.getByLabel('Username or email').fill('no-such-person');
	for (let attempt = 1; attempt <= 5; attempt += 1) {
		await password(page).fill(`Wrong-Password-${attempt}`);
		const answered = page.waitForResponse('**/auth/login');
		await submit(page).click();
		expect((await answered).status()).toBe(401);
		await expect(page.getByRole('alert')).toContainText('Incorrect username or password');
	}
	await password(page).fill('Wrong-Password-6');
	await submit(page).click();
	await expect(page.getByRole('alert')).toContainText('Account temporarily locked');
	await expect(page.getByRole('timer')).toHaveText(/^1[45]:\d\d left$/);
});

test('a device that is known is not locked by guesses elsewhere', async ({ page, warehouse, baseURL }) => {
	const person = await warehouse.person('biller');
	await signIn(page, person);
	await page.getByRole('button', { name: `Account of ${person.username}` }).click();
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await expect(heading(page, 'Sign in')).toBeVisible();
	for (const status of [401, 401, 401, 401, 401, 423]) {
		const guess = await fetch(`${baseURL}/api/v1/auth/login`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ ...person, password: 'Wrong-Password-1' })
		});
		expect(guess.status).toBe(status);
	}
	await signIn(page, person);
	await expect(page.getByRole('button', { name: `Account of ${person.username}` })).toBeVisible();
});

test('too many attempts have to wait', async ({ page }) => {
	const server = await Server.start({ ADMIN_PASSWORD: ADMIN.password, SIGN_IN_LIMIT_PER_MINUTE: '2' });
	try {
		await page.goto(`${server.url}/login`);
		await page.getByLabel('Username or email').fill('nobody');
		for (let attempt = 1; attempt <= 6; attempt += 1) {
			await password(page).fill(`Wrong-Password-${attempt}`);
			const answered = page.waitForResponse('**/auth/login');
			await submit(page).click();
			if ((await answered).status() === 429) break;
			await expect(page.getByRole('alert')).toBeVisible();
		}
		await expect(page.getByRole('alert')).toContainText('Too many attempts');
		await expect(page.getByRole('timer')).toHaveText(/^[01]:\d\d left$/);
		await portrait(page, 'sign-in-too-many');
	} finally {
		await page.close();
		await server.stop();
	}
});

test('a server that can not be reached is said so', async ({ page, context }) => {
	await page.goto('/login');
	await page.getByLabel('Username or email').fill(ADMIN.username);
	await password(page).fill(ADMIN.password);
	// What the page loads beforehand must be there: a part that is cut off is an error of the page.
	await page.waitForLoadState('networkidle');
	await context.setOffline(true);
	await submit(page).click();
	await expect(page.getByRole('alert')).toContainText("Can't reach the server");
	await context.setOffline(false);
	await submit(page).click();
	await expect(heading(page, 'Overview')).toBeVisible();
});

test('a session lasts over a reload and ends with signing out', async ({ page }) => {
	await signIn(page, ADMIN);
	await page.reload();
	await expect(heading(page, 'Overview')).toBeVisible();
	await page.getByRole('button', { name: 'Account of admin' }).click();
	await portrait(page, 'account-menu');
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await expect(heading(page, 'Sign in')).toBeVisible();
	await expect(page.getByText('Your session has ended')).toBeHidden();
	await page.reload();
	await expect(heading(page, 'Sign in')).toBeVisible();
});

test('whoever comes back after the session ended is told so', async ({ page, context }) => {
	await signIn(page, ADMIN, '/profile');
	await expect(heading(page, 'Profile')).toBeVisible();
	await context.clearCookies();
	await page.reload();
	await expect(page.getByText('Your session has ended')).toBeVisible();
	await portrait(page, 'sign-in-ended');
	await page.getByLabel('Username or email').fill(ADMIN.username);
	await password(page).fill(ADMIN.password);
	await submit(page).click();
	await expect(heading(page, 'Profile')).toBeVisible();
});

test('a link can not send people to another site after signing in', async ({ page, baseURL }) => {
	await signIn(page, ADMIN, '/login?next=//evil.example/');
	await expect(page).toHaveURL(`${baseURL}/`);
});

test('without JavaScript the page says what is missing', async ({ request }) => {
	const html = await (await request.get('/login')).text();
	const sentence = /<noscript>([\s\S]*?)<\/noscript>/.exec(html)?.[1];
	expect(sentence).toContain('TraitorTrack needs JavaScript.');
	expect(sentence).toContain('TraitorTrack को JavaScript चाहिए।');
});

test('the admin adds a packer, who can sign in and sees no user management', async ({ page, browser, baseURL }) => {
	await signIn(page, ADMIN, '/users');
	await page.getByRole('button', { name: 'Add person' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Username').fill('sunita');
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
