import { Server } from './support/server';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

test('the system page tells how everything is and renews itself', async ({ page, warehouse, baseURL }) => {
	const person = await warehouse.person('biller');
	await signIn(page, ADMIN, '/system');
	await expect(page.getByTestId('parts').getByRole('listitem')).toHaveCount(7);
	await expect(page.getByTestId('parts').getByRole('listitem').first()).toContainText('OK');
	await expect(page.getByTestId('version')).toHaveText(/^\d+\.\d+\.\d+$/);
	await expect(page.getByRole('meter', { name: 'Database connections in use' })).toBeVisible();

	// A job made elsewhere appears by itself.
	const listed = page.waitForResponse((response) => /admin\/jobs\?.*kind=email/.test(response.url()));
	await page.getByLabel('Job', { exact: true }).selectOption('email');
	await expect(page).toHaveURL(/kind=email/);
	// Counted when they are there: other tests have had e-mails sent, and go on.
	const emails = page.getByRole('rowheader', { name: 'Email' });
	const { data } = (await (await listed).json()) as { data: unknown[] };
	await expect.poll(() => emails.count()).toBeGreaterThanOrEqual(data.length);
	const before = await emails.count();
	await fetch(`${baseURL}/api/v1/auth/password/forgot`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ email: `${person.username}@example.com` })
	});
	await expect.poll(() => emails.count()).toBeGreaterThan(before);
	await portrait(page, 'system');

	await page.getByRole('button', { name: 'Clear cache' }).click();
	await portrait(page, 'system-clear-cache');
	await page.getByRole('dialog').getByRole('button', { name: 'Clear cache' }).click();
	await expect(page.getByText('Cache cleared.')).toBeVisible();
});

test('a part that fails is said with what to do about it', async ({ page }) => {
	// Nobody listens there: the API goes on without Redis, degraded.
	const server = await Server.start({ ADMIN_PASSWORD: ADMIN.password, REDIS_URL: 'redis://127.0.0.1:9' });
	try {
		await signIn(page, ADMIN, `${server.url}/system`);
		await expect(page.getByRole('heading', { name: 'Working, but something needs attention' })).toBeVisible();
		const redis = page.getByTestId('parts').getByRole('listitem').filter({ hasText: 'Redis' });
		await expect(redis).toContainText('Needs attention');
		await expect(redis).toContainText('Check that Redis is running at REDIS_URL.');
		await portrait(page, 'system-degraded');
	} finally {
		await page.close();
		await server.stop();
	}
});
