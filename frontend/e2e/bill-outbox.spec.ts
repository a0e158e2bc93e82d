import type { Page } from '@playwright/test';
import { expect, keptOnDevice, signIn, test, wedgeAll } from './support/test';

const progress = (page: Page) => page.getByTestId('progress');

/** How many actions are stored on the device. */
function stored(page: Page): Promise<number> {
	return page.evaluate(
		() =>
			new Promise<number>((resolve, reject) => {
				const opening = indexedDB.open('traitortrack-outbox');
				opening.onerror = () => reject(new Error('no database'));
				opening.onsuccess = () => {
					const count = opening.result.transaction('acts').objectStore('acts').count();
					count.onsuccess = () => {
						opening.result.close();
						resolve(count.result);
					};
				};
			})
	);
}

test('bags that were scanned on a bill survive a reload and a closed page, and arrive once', async ({
	page,
	context,
	warehouse
}) => {
	const codes: string[] = [];
	for (let n = 0; n < 6; n += 1) codes.push(await warehouse.readyParent(1));
	const bill = await warehouse.bill([], 6);
	await signIn(page, await warehouse.person('biller'), `/bills/${bill}`);
	await expect(page.getByText('Ready to scan')).toBeVisible();
	await keptOnDevice(page);

	await context.setOffline(true);
	await wedgeAll(page, codes.slice(0, 3));
	await expect.poll(() => stored(page)).toBe(3);
	await page.reload();
	expect(await stored(page)).toBe(3);
	await context.setOffline(false);
	await expect(progress(page)).toHaveText('3 / 6');

	// The first answer is lost, and the page is closed before the next attempt.
	await context.route(
		'**/api/v1/bills/*/bags',
		async (route) => {
			await route.fetch();
			await route.abort('connectionreset');
		},
		{ times: 1 }
	);
	await context.setOffline(true);
	await wedgeAll(page, codes.slice(3));
	await expect.poll(() => stored(page)).toBe(3);
	const next = await context.newPage();
	await page.close();
	await context.setOffline(false);
	await next.goto(`/bills/${bill}`);
	await expect(progress(next)).toHaveText('6 / 6');
	await expect.poll(() => stored(next)).toBe(0);
	await expect(next.getByTestId('billed-bags').getByRole('link')).toHaveCount(6);
	expect((await warehouse.bagsOnBill(bill)).sort()).toEqual(codes.toSorted());
});
