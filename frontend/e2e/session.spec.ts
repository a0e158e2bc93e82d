import type { BrowserContext, Request, Route } from '@playwright/test';
import { ADMIN, expect, signIn, test } from './support/test';

const REFRESH = '**/api/v1/auth/refresh';

/** Sends the request as the browser would, and drops the answer: its cookie never reaches the browser. */
async function loseAnswer(route: Route): Promise<number> {
	const request = route.request();
	const headers = await request.allHeaders();
	const { status } = await fetch(request.url(), {
		method: 'POST',
		headers: { cookie: headers['cookie'] ?? '', origin: new URL(request.url()).origin }
	});
	await route.abort('connectionreset');
	return status;
}

/** As on an address without HTTPS, where browsers offer no locks: the tabs can't take turns. */
async function withoutLocks(context: BrowserContext): Promise<void> {
	await context.addInitScript(() => {
		delete (Navigator.prototype as { locks?: unknown }).locks;
	});
}

const refreshes = (request: Request) => request.url().endsWith('/auth/refresh');

test('two tabs that refresh at the same time both stay signed in', async ({ page, context }) => {
	await withoutLocks(context);
	await signIn(page, ADMIN, '/profile');
	const other = await context.newPage();
	// Both requests carry the same cookie: none is let through before both are there.
	const held: Route[] = [];
	await context.route(REFRESH, async (route) => {
		held.push(route);
		if (held.length === 2) await Promise.all(held.map((one) => one.continue()));
	});
	const answers = [page, other].map((tab) => tab.waitForResponse((response) => refreshes(response.request())));
	await Promise.all([page.reload(), other.goto(page.url())]);
	expect((await Promise.all(answers)).map((answer) => answer.status())).toEqual([200, 200]);
	await context.unroute(REFRESH);
	for (const tab of [page, other]) {
		await tab.reload();
		await expect(tab.getByRole('heading', { level: 1, name: 'Profile' })).toBeVisible();
		await expect(tab.getByText('Your session has ended')).toBeHidden();
	}
	await other.close();
});

test('a reload whose refresh gets no answer keeps the session', async ({ page }) => {
	await signIn(page, ADMIN, '/profile');
	const lost: number[] = [];
	await page.route(REFRESH, async (route) => lost.push(await loseAnswer(route)), { times: 1 });
	const repeated = page.waitForResponse((response) => refreshes(response.request()));
	await page.reload();
	expect((await repeated).status()).toBe(200);
	expect(lost).toEqual([200]);
	await expect(page.getByRole('heading', { level: 1, name: 'Profile' })).toBeVisible();
	await page.reload();
	await expect(page.getByRole('heading', { level: 1, name: 'Profile' })).toBeVisible();
});

test('at work, a refresh without an answer is repeated within seconds', async ({ page }) => {
	await page.clock.install();
	await signIn(page, ADMIN, '/profile');
	const lost: number[] = [];
	await page.route(REFRESH, async (route) => lost.push(await loseAnswer(route)), { times: 1 });
	const failed = page.waitForEvent('requestfailed', refreshes);
	// A minute before the access token expires.
	await page.clock.fastForward('14:30');
	await failed;
	expect(lost).toEqual([200]);
	const repeated = page.waitForResponse((response) => refreshes(response.request()));
	await page.clock.fastForward('00:10');
	expect((await repeated).status()).toBe(200);
	await page.reload();
	await expect(page.getByRole('heading', { level: 1, name: 'Profile' })).toBeVisible();
});
