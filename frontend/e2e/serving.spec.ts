import type { Page } from '@playwright/test';
import { BuiltApp, Host } from './support/hosts';
import { freePort } from './support/server';
import { type Person, allSent, expect, signIn, test } from './support/test';
import { Warehouse } from './support/warehouse';

/** Signs in at the scan station, packs a bag, and comes back to its page with the session that is there. */
async function packAndLookAgain(page: Page, warehouse: Warehouse, app: string): Promise<Person> {
	const packer = await warehouse.person('dispatcher');
	const parent = warehouse.parentCode();
	await signIn(page, packer, `${app}/scan`);
	await expect(page).toHaveURL(`${app}/scan`);
	for (const code of [parent, `C${parent}-1`]) {
		await page.getByLabel('Type a code').fill(code);
		await page.keyboard.press('Enter');
		await allSent(page);
	}
	await expect(page.getByTestId('progress')).toHaveText('1 / 30');
	expect(await warehouse.childrenOf(parent)).toEqual([`C${parent}-1`]);

	for (const open of [() => page.goto(`${app}/bags/${parent}`), () => page.reload()]) {
		await open();
		await expect(page.getByText(`C${parent}-1`).first()).toBeVisible();
		await expect(page).toHaveURL(`${app}/bags/${parent}`);
	}
	return packer;
}

/** Pages of the browser are told what addresses they asked for. */
function addressesOf(page: Page): string[] {
	const addresses: string[] = [];
	page.on('request', (request) => {
		if (request.url().startsWith('http')) addresses.push(request.url());
	});
	return addresses;
}

test.describe('under a path of a host', () => {
	let warehouse: Warehouse;
	test.beforeAll(async () => {
		warehouse = await Warehouse.open({ BASE_PATH: '/tracking' });
	});
	test.afterAll(() => warehouse.server.stop());

	test('people sign in, scan, and come back by a deep link, all below the path', async ({ page }) => {
		const app = `${warehouse.server.url}/tracking`;
		const asked = addressesOf(page);
		await packAndLookAgain(page, warehouse, app);
		// Links and the menu stay below the path.
		for (const link of await page.locator('a[href]').all()) {
			expect(await link.getAttribute('href')).toMatch(/^(\/tracking(\/|$)|#|\.)/);
		}
		expect(asked.filter((address) => !address.startsWith(`${app}/`))).toEqual([]);
		expect(asked.some((address) => address.includes('/_app/immutable/'))).toBe(true);
	});

	test('the address without the path leads into it', async ({ page }) => {
		await page.goto(`${warehouse.server.url}/bags?kind=parent`).catch(() => undefined);
		await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
		expect(new URL(page.url()).pathname).toBe('/tracking/login');
	});

	test('the documentation shows the calls below the path', async ({ page }) => {
		await page.goto(`${warehouse.server.url}/tracking/docs/`);
		await expect(page.locator('.opblock').first()).toBeVisible();
		await expect(page.getByRole('combobox').first()).toContainText('/tracking');
	});

	test('a proxy may take the path off', async ({ page }) => {
		const proxy = await Host.takingOff('/tracking', warehouse.server.url);
		try {
			await packAndLookAgain(page, warehouse, `${proxy.url}/tracking`);
		} finally {
			await page.close();
			await proxy.stop();
		}
	});
});

test.describe('the app on another host than the API', () => {
	let app: BuiltApp;
	let host: Host;
	let bind: string;
	test.beforeAll(async () => {
		bind = `127.0.0.1:${await freePort()}`;
		app = await BuiltApp.for(`http://${bind}`);
		host = await Host.serving(() => app.folder);
	});
	test.afterAll(async () => {
		await host.stop();
		await app.remove();
	});

	test('of the same site: the strict cookie keeps the session', async ({ page }) => {
		const warehouse = await Warehouse.open({ BIND: bind, CORS_ALLOWED_ORIGINS: host.url });
		try {
			const asked = addressesOf(page);
			await packAndLookAgain(page, warehouse, host.url);
			expect(asked.filter((address) => address.includes('/api/') && !address.startsWith(warehouse.server.url))).toEqual(
				[]
			);
			expect(asked.filter((address) => !address.includes('/api/') && !address.startsWith(host.url))).toEqual([]);
		} finally {
			await page.close();
			await warehouse.server.stop();
		}
	});

	test('of another site: the session needs COOKIE_SAME_SITE=none', async ({ browser }) => {
		// To a browser localhost and 127.0.0.1 are two sites.
		const elsewhere = `http://localhost:${host.port}`;
		const warehouse = await Warehouse.open({
			BIND: bind,
			CORS_ALLOWED_ORIGINS: elsewhere,
			COOKIE_SAME_SITE: 'none'
		});
		// A page of its own: that host may be asked, too.
		const page = await browser.newPage({ locale: 'en-IN' });
		try {
			await packAndLookAgain(page, warehouse, elsewhere);
		} finally {
			await page.close();
			await warehouse.server.stop();
		}
	});

	test('that is not listed: the browser sends nothing', async ({ browser }) => {
		const warehouse = await Warehouse.open({ BIND: bind, CORS_ALLOWED_ORIGINS: 'https://app.example.com' });
		const page = await browser.newPage({ locale: 'en-IN' });
		try {
			const packer = await warehouse.person('dispatcher');
			const answers: string[] = [];
			page.on('response', (response) => {
				if (response.url().includes('/auth/login')) answers.push(response.url());
			});
			await page.goto(`${host.url}/login`);
			await page.locator('#username').fill(packer.username);
			await page.locator('#password').fill(packer.password);
			await page.locator('form [type=submit]').click();
			await expect(page.getByRole('alert')).toBeVisible();
			expect(answers).toEqual([]);
		} finally {
			await page.close();
			await warehouse.server.stop();
		}
	});
});
