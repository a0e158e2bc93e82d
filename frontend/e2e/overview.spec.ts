import { ADMIN, PHONE, expect, portrait, signIn, test, whole } from './support/test';
import { Warehouse } from './support/warehouse';

// As in the warehouse: its hours and days are those of the numbers.
test.use({ timezoneId: 'Asia/Kolkata' });

// Many portraits: each looks at four screens.

const numberOf = (text: string) => Number(/\d+/.exec(text.replaceAll(',', ''))?.[0]);

/** With a warehouse of its own that nobody has touched: others scan into the usual one. */
const inNewWarehouse = test.extend<{ fresh: Warehouse }>({
	fresh: async ({ page }, use) => {
		const fresh = await Warehouse.open();
		await use(fresh);
		// The page lets go of its live news before their server stops.
		await page.goto('about:blank');
		await fresh.server.stop();
	}
});

inNewWarehouse('an empty warehouse shows an admin the first steps, and ticks them off', async ({ page, fresh }) => {
	await signIn(page, ADMIN, `${fresh.server.url}/`);
	const steps = page.getByTestId('first-steps').getByRole('listitem');
	await expect(steps).toHaveCount(5);
	await expect(steps.filter({ hasText: 'Done' })).toHaveCount(0);
	await portrait(page, 'overview-first-steps');

	const parent = fresh.parentCode();
	await fresh.pack(parent, [`C${parent}-1`]);
	await expect(steps.filter({ hasText: 'Scan your first parent bag' })).toContainText('Done');
	await page.getByRole('button', { name: 'Hide these steps' }).click();
	await expect(page.getByTestId('first-steps')).toBeHidden();
	await page.reload();
	await expect(page.getByTestId('recent')).toBeVisible();
	await expect(page.getByTestId('first-steps')).toBeHidden();
});

test('the overview follows what is scanned and billed elsewhere', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, ADMIN);
	const today = page.getByTestId('tiles').locator('.tile', { hasText: 'Scans today' }).locator('.value');
	const before = numberOf(await today.innerText());
	await whole(page);
	await warehouse.pack(
		parent,
		Array.from({ length: 12 }, (_, n) => `C${parent}-${n}`)
	);
	await expect(today).toHaveText(new Intl.NumberFormat('en-IN').format(before + 13));
	await expect(page.getByTestId('recent').getByRole('link', { name: `C${parent}-11` })).toBeVisible();
	await expect(page.getByTestId('per-person')).toContainText('admin (you)');

	// The list shows the biggest differences: this one is bigger than that of any bill of another test.
	const bill = await warehouse.bill([parent], 50, 'Delhi');
	await expect(page.getByTestId('bills-by-status')).toContainText(/In progress\s*\d+/);
	await page.reload();
	await expect(today).toBeVisible();
	await whole(page);
	await expect(page.getByTestId('weights').getByRole('listitem').filter({ hasText: bill })).toContainText('-1,488 kg');

	await page.getByRole('button', { name: '7 days' }).click();
	await expect(page).toHaveURL(/range=week/);
	await page.getByRole('button', { name: '24 hours' }).click();
	// To the button the page was scrolled, and what lies half below the bar at the top is none of a finger's size.
	await page.evaluate(() => window.scrollTo(0, 0));
	await portrait(page, 'overview');

	await page.getByRole('button', { name: 'Previous day' }).click();
	await expect(page.getByTestId('per-person')).toContainText('No scans on this day.');
});

test('a packer sees own numbers and those of the own area, and nothing is asked that is refused', async ({
	page,
	warehouse
}) => {
	const refused: string[] = [];
	page.on('response', (response) => {
		if (response.status() === 403) refused.push(response.url());
	});
	await signIn(page, await warehouse.person('dispatcher'));
	await expect(page.getByTestId('tiles')).toContainText('My scans today');
	await expect(page.getByTestId('tiles')).not.toContainText('Bills in progress');
	await expect(page.getByTestId('bills-by-status')).toBeHidden();
	await expect(page.getByTestId('tiles')).toContainText('My area today');
	await portrait(page, 'overview-packer');
	expect(refused).toEqual([]);
});

test('what is scanned before the live news come is not missed', async ({ page, warehouse }) => {
	let release = () => {};
	const held = new Promise<void>((done) => (release = done));
	await page.route('**/api/v1/events', async (route) => {
		await held;
		await route.continue();
	});
	await signIn(page, ADMIN);
	const today = page.getByTestId('tiles').locator('.tile', { hasText: 'Scans today' }).locator('.value');
	const before = numberOf(await today.innerText());
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`C${parent}-1`]);
	release();
	await expect
		.poll(async () => numberOf(await today.innerText()), { message: 'the scans of others count too' })
		.toBeGreaterThanOrEqual(before + 2);
});

test('what is below the screen is drawn for a printer at once, and otherwise soon', async ({ page, warehouse }) => {
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('biller'));
	const last = page.getByTestId('per-person');
	await expect(last).toBeVisible();
	// A browser that is never idle: only the printer is left to ask for it.
	await page.addInitScript(() => {
		window.requestIdleCallback = () => 0;
	});
	await page.reload();
	await expect(page.getByTestId('tiles').locator('.value').first()).toBeVisible();
	await expect(last).toBeHidden();
	await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
	await expect(last).toBeVisible();
});
