import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from '@playwright/test';
import { allSent, expect, keptOnDevice, PHONE, portrait, signIn, test, waiting, wedge } from './support/test';
import { Warehouse } from './support/warehouse';

const childCodes = (parent: string, count: number, from = 1) =>
	Array.from({ length: count }, (_, n) => `C${parent}-${String(n + from).padStart(2, '0')}`);
const progress = (page: Page) => page.getByTestId('progress');
/** Between the clocks of browser and server. */
const LEEWAY_MS = 60_000;
/** Every one of these children is in the parent, once, and was scanned once. */
async function isThereOnce(warehouse: Warehouse, parent: string, children: string[]): Promise<void> {
	expect(await warehouse.childrenOf(parent)).toEqual(children);
	const scans = (await warehouse.scansOf(parent)).filter((scan) => scan.kind === 'child');
	expect(scans.map((scan) => scan.qr_code).sort()).toEqual([...children].sort());
}

/** A browser of its own, with a folder that outlives it. */
async function browserIn(folder: string, baseURL: string): Promise<BrowserContext> {
	return chromium.launchPersistentContext(folder, {
		...test.info().project.use.launchOptions,
		baseURL,
		viewport: PHONE
	});
}

/** Kills the browser as an empty battery would: the whole process, with SIGKILL. */
async function killBrowserOf(folder: string): Promise<void> {
	// Its main process is the one whose command line names the folder and which is nobody's helper.
	const found = execFileSync('pgrep', ['-f', `user-data-dir=${folder}`])
		.toString()
		.trim()
		.split('\n')
		.map(Number);
	const lines = await Promise.all(
		found.map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')] as const)
	);
	const main = lines.filter(([, line]) => line.includes(folder) && !line.includes('--type='));
	expect(main.length).toBeGreaterThan(0);
	for (const [pid] of main) process.kill(pid, 'SIGKILL');
}

test('the station opens, scans and reloads without a network, and sends when it is back', async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 8);
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await context.setOffline(true);
	await wedge(page, parent);
	for (const child of children.slice(0, 4)) await wedge(page, child);
	await waiting(page, 5);
	await page.reload();
	// Nobody can be asked who this is; the person who was here last goes on.
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await expect(progress(page)).toHaveText('4 / 30');
	await waiting(page, 5);
	for (const child of children.slice(4)) await wedge(page, child);
	await waiting(page, 9);
	await portrait(page, 'station-offline');
	expect(await warehouse.scansOf(parent)).toEqual([]);
	await context.setOffline(false);
	await allSent(page);
	await expect(progress(page)).toHaveText('8 / 30');
	await isThereOnce(warehouse, parent, children);
});

test('undo and complete without a network end as they should', async ({ page, context, warehouse }) => {
	const parent = warehouse.parentCode();
	const [a, b, c] = childCodes(parent, 3) as [string, string, string];
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await wedge(page, a);
	await allSent(page);
	// The answer to `b` is lost: only the server knows that it has it.
	await page.route('**/api/v1/scans', async (route) => {
		await route.fetch();
		await route.abort('connectionreset');
	});
	await wedge(page, b);
	await expect.poll(() => warehouse.childrenOf(parent)).toEqual([a, b]);
	await context.setOffline(true);
	await page.unroute('**/api/v1/scans');
	await wedge(page, 'TT-CMD-UNDO');
	await wedge(page, c);
	await wedge(page, 'TT-CMD-UNDO');
	await wedge(page, c);
	await wedge(page, 'TT-CMD-COMPLETE');
	await expect(page.getByRole('button', { name: 'Reopen' })).toBeVisible();
	await context.setOffline(false);
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual([a, c]);
	expect((await warehouse.bag(parent)).status).toBe('completed');
	await expect(progress(page)).toHaveText('2 / 30');
});

test('the browser is killed with scans on the device, opened again, and nothing is lost or doubled', async ({
	warehouse,
	baseURL
}) => {
	const folder = await mkdtemp(join(tmpdir(), 'traitortrack-browser-'));
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 10);
	try {
		const first = await browserIn(folder, baseURL ?? '');
		const page = first.pages()[0] ?? (await first.newPage());
		const packer = await warehouse.person('dispatcher');
		await signIn(page, packer, '/scan');
		await keptOnDevice(page);
		await wedge(page, parent);
		await allSent(page);
		await first.setOffline(true);
		for (const child of children.slice(0, 7)) await wedge(page, child);
		await waiting(page, 7);
		await killBrowserOf(folder);
		await first.close().catch(() => undefined);

		const second = await browserIn(folder, baseURL ?? '');
		const again = second.pages()[0] ?? (await second.newPage());
		await again.goto('/scan');
		// The cookie of the session may not have reached the disk; the scans have.
		const signInAgain = again.locator('#username');
		await expect(again.getByTestId('parent-code').or(signInAgain)).toBeVisible();
		if (await signInAgain.isVisible()) await signIn(again, packer, '/scan');
		await wedge(again, parent);
		await expect(again.getByTestId('parent-code')).toHaveText(parent);
		for (const child of children.slice(7)) await wedge(again, child);
		await allSent(again);
		await expect(progress(again)).toHaveText('10 / 30');
		await isThereOnce(warehouse, parent, children);
		await second.close();
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
});

test('the tab is closed with scans on the device; another page of the app sends them', async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 5);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await allSent(page);
	await context.setOffline(true);
	for (const child of children) await wedge(page, child);
	await waiting(page, 5);
	await page.close();
	await context.setOffline(false);
	const other = await context.newPage();
	await other.goto('/bags');
	await expect.poll(() => warehouse.childrenOf(parent)).toEqual(children);
	await isThereOnce(warehouse, parent, children);
});

test('two tabs of the same person send every scan once', async ({ page, context, warehouse }) => {
	const [one, two] = [warehouse.parentCode(), warehouse.parentCode()];
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	const second = await context.newPage();
	await second.goto('/scan');
	await page.bringToFront();
	await wedge(page, one);
	for (const child of childCodes(one, 3)) await wedge(page, child);
	await context.setOffline(true);
	for (const child of childCodes(one, 3, 4)) await wedge(page, child);
	await second.bringToFront();
	await wedge(second, two);
	for (const child of childCodes(two, 4)) await wedge(second, child);
	await context.setOffline(false);
	await allSent(second);
	await allSent(page);
	await isThereOnce(warehouse, one, childCodes(one, 6));
	await isThereOnce(warehouse, two, childCodes(two, 4));
	await page.bringToFront();
	await expect(progress(page)).toHaveText('6 / 30');
	await expect(page.locator('li[data-outcome=pending]')).toHaveCount(0);
});

test('the server is killed in the middle of a sync and started again: every scan is there once', async ({ page }) => {
	const warehouse = await Warehouse.open();
	try {
		const parents = Array.from({ length: 2 }, () => warehouse.parentCode());
		const packed = new Map(parents.map((parent) => [parent, childCodes(parent, 20)]));
		await page.goto(`${warehouse.server.url}/scan`);
		const packer = await warehouse.person('dispatcher');
		await signIn(page, packer, `${warehouse.server.url}/scan`);
		await page.context().setOffline(true);
		for (const [parent, children] of packed) {
			await wedge(page, parent);
			for (const child of children) await wedge(page, child);
		}
		await waiting(page, 42);
		// The batch gets through, its answer does not: the plug is pulled while it is on its way.
		let sent = 0;
		await page.route('**/api/v1/scans/batch', async (route) => {
			sent += 1;
			if (sent > 1) return route.continue();
			await route.fetch();
			await warehouse.server.kill();
			await route.abort('connectionreset');
		});
		await page.context().setOffline(false);
		await expect.poll(() => sent).toBeGreaterThan(0);
		await wedge(page, `C${parents[1]}-21`);
		await expect(page.locator('[data-waiting]')).toHaveAttribute('data-waiting', '43');
		await warehouse.server.restart();
		await expect(page.locator('[data-waiting]')).toHaveAttribute('data-waiting', '0');
		packed.get(parents[1] as string)?.push(`C${parents[1]}-21`);
		for (const [parent, children] of packed) await isThereOnce(warehouse, parent, children);
	} finally {
		await page.close();
		await warehouse.server.stop();
	}
});

test('the session ends under the packer: scanning goes on, and what was kept is sent after signing in', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const packer = await warehouse.person('dispatcher');
	await page.setViewportSize(PHONE);
	await signIn(page, packer, '/scan');
	await wedge(page, parent);
	await wedge(page, `C${parent}-1`);
	await allSent(page);
	await warehouse.endSessionsOf(packer);
	// Revoked sessions are noticed within seconds, so this may take a scan or two.
	const sent = [`C${parent}-1`];
	for (let n = 2; n < 30 && !(await page.getByRole('link', { name: 'Sign in' }).isVisible()); n += 1) {
		await wedge(page, `C${parent}-${n}`);
		sent.push(`C${parent}-${n}`);
		await page.waitForTimeout(300);
	}
	await expect(page.getByRole('link', { name: 'Sign in' })).toBeVisible();
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await wedge(page, `C${parent}-LAST`);
	sent.push(`C${parent}-LAST`);
	await portrait(page, 'station-signed-out');
	await page.getByRole('link', { name: 'Sign in' }).click();
	await page.locator('#username').fill(packer.username);
	await page.locator('#password').fill(packer.password);
	await page.locator('form [type=submit]').click();
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await allSent(page);
	await isThereOnce(warehouse, parent, sent);
});

test("another person signs in: the first one's scans wait for them, and go out under no other name", async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const [asha, bina] = [await warehouse.person('dispatcher'), await warehouse.person('dispatcher')];
	await page.setViewportSize(PHONE);
	await signIn(page, asha, '/scan');
	await wedge(page, parent);
	await allSent(page);
	await keptOnDevice(page);
	await context.setOffline(true);
	await wedge(page, `C${parent}-1`);
	await waiting(page, 1);
	page.on('dialog', (dialog) => void dialog.accept());
	await page.getByRole('link', { name: 'Overview' }).click();
	// Asha signs out before her scan gets through.
	await page.route('**/api/v1/scans**', (route) => route.abort());
	await context.setOffline(false);
	await page.getByRole('button', { name: /^Account of/ }).click();
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await page.unroute('**/api/v1/scans**');
	await signIn(page, bina, '/scan');
	await expect(page.getByText(`${asha.username} (1)`)).toBeVisible();
	await portrait(page, 'station-others-wait');
	await wedge(page, `C${parent}-2`);
	expect(await warehouse.childrenOf(parent)).not.toContain(`C${parent}-1`);
	await page.goto('/');
	await page.getByRole('button', { name: /^Account of/ }).click();
	await page.getByRole('menuitem', { name: 'Sign out' }).click();
	await signIn(page, asha, '/scan');
	await allSent(page);
	await expect.poll(() => warehouse.childrenOf(parent)).toContain(`C${parent}-1`);
	const scan = (await warehouse.scansOf(parent)).find((one) => one.qr_code === `C${parent}-1`);
	expect(scan?.user.username).toBe(asha.username);
});

test('what was refused meanwhile stays to be settled', async ({ page, context, warehouse }) => {
	const [parent, other] = [warehouse.parentCode(), warehouse.parentCode()];
	const [moved, dismissed] = [`C${parent}-M`, `C${parent}-D`];
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('biller'), '/scan');
	await wedge(page, parent);
	await allSent(page);
	await context.setOffline(true);
	for (const code of [moved, dismissed, `C${parent}-1`]) await wedge(page, code);
	await waiting(page, 3);
	await warehouse.pack(other, [moved, dismissed]);
	await context.setOffline(false);
	await allSent(page);
	await page.reload();
	await page.getByRole('button', { name: '2 refused scans need attention' }).click();
	await expect(page.getByTestId('refusal')).toHaveCount(2);
	await portrait(page, 'station-to-settle');
	await page.getByRole('button', { name: `Move ${moved} here` }).click();
	await page.getByRole('button', { name: `Dismiss ${dismissed}` }).click();
	await expect(page.getByText('Nothing needs attention.')).toBeVisible();
	await page.keyboard.press('Escape');
	await allSent(page);
	expect(await warehouse.childrenOf(parent)).toEqual([`C${parent}-1`, moved]);
	expect(await warehouse.childrenOf(other)).toEqual([dismissed]);
	await expect(page.getByRole('button', { name: /needs? attention/ })).toBeHidden();
});

test('a device whose clock is two days ahead scans with the right time, also after an offline start', async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const startedAt = Date.now();
	await page.clock.install({ time: startedAt + 2 * 86_400_000 });
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await wedge(page, parent);
	await allSent(page);
	await context.setOffline(true);
	await page.reload();
	await expect(page.getByTestId('parent-code')).toHaveText(parent);
	await wedge(page, `C${parent}-1`);
	await waiting(page, 1);
	await context.setOffline(false);
	await allSent(page);
	const scans = await warehouse.scansOf(parent);
	expect(scans).toHaveLength(2);
	for (const scan of scans) {
		expect(Date.parse(scan.scanned_at)).toBeGreaterThan(startedAt - LEEWAY_MS);
		expect(Date.parse(scan.scanned_at)).toBeLessThan(Date.now() + LEEWAY_MS);
	}
});
