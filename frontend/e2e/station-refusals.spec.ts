import type { Page } from '@playwright/test';
import { recordSenses, sensedSince, type Sensed } from './support/senses';
import {
	accessible,
	allSent,
	expect,
	keptOnDevice,
	PHONE,
	picture,
	portrait,
	signIn,
	test,
	waiting,
	wedge
} from './support/test';

const progress = (page: Page) => page.getByTestId('progress');
const panel = (page: Page) => page.getByTestId('result');
const openParent = (page: Page) => page.getByTestId('parent-code');
const childCodes = (parent: string, count: number) =>
	Array.from({ length: count }, (_, n) => `CH-${parent}-${String(n + 1).padStart(2, '0')}`);

/** The station in Hindi. */
async function inHindi(page: Page): Promise<void> {
	await page.goto('/');
	await page.getByLabel('Language').selectOption('hi');
	await expect(page.locator('html')).toHaveAttribute('lang', 'hi');
}

/** No English sentence stands on the station: capitals and digits of codes apart. */
async function speaksNoEnglish(page: Page): Promise<void> {
	expect(await panel(page).innerText()).not.toMatch(/[a-z]{3}/);
	for (const alert of await page.getByRole('alert').all()) expect(await alert.innerText()).not.toMatch(/[a-z]{3}/);
}

test('the 31st bag is refused as a refusal: it looks, sounds and vibrates like no success', async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const children = childCodes(parent, 30);
	await warehouse.pack(parent, children.slice(0, 28));
	await recordSenses(page);
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('admin'), '/scan');
	await keptOnDevice(page);
	const felt: Record<string, Sensed> = {};
	const scanned = async (code: string, tone: string) => {
		await sensedSince(page);
		await wedge(page, code);
		await expect(panel(page)).toHaveAttribute('data-tone', tone);
		await allSent(page);
		return sensedSince(page);
	};
	felt.opened = await scanned(parent, 'ok');
	felt.linked = await scanned(children[28] ?? '', 'ok');
	felt.filled = await scanned(children[29] ?? '', 'done');
	await expect(panel(page)).toContainText('Bag is full');
	felt.full = await scanned(`CH-${parent}-31`, 'warn');
	await expect(panel(page)).toContainText('NOT added: bag is full');
	await expect(progress(page)).toHaveText('30 / 30');
	felt.again = await scanned(children[0] ?? '', 'again');
	for (const success of ['opened', 'linked', 'filled', 'again']) {
		expect(felt.full.tones.some((tone) => felt[success]?.tones.includes(tone))).toBe(false);
		expect(felt.full.vibrations).not.toEqual(felt[success]?.vibrations);
	}
	expect(felt.full.tones.length).toBeGreaterThan(0);
	await wedge(page, `CH-${parent}-31`);
	await expect(panel(page)).toHaveAttribute('data-tone', 'warn');
	await portrait(page, 'station-full');
	await page.emulateMedia({ contrast: 'more' });
	for (const colorScheme of ['light', 'dark'] as const) {
		await page.emulateMedia({ colorScheme });
		await accessible(page);
		await picture(page, `station-full-high-contrast-${colorScheme}`);
	}
	await page.emulateMedia({ contrast: 'no-preference' });
	await page.setViewportSize(PHONE);

	// Without a network the device itself knows that the bag is full.
	await context.setOffline(true);
	await sensedSince(page);
	await wedge(page, `CH-${parent}-32`);
	await expect(panel(page)).toContainText('NOT added: bag is full');
	await expect(panel(page)).toHaveAttribute('data-tone', 'warn');
	const offline = await sensedSince(page);
	expect(offline.vibrations).toEqual(felt.full.vibrations);
	expect(offline.tones).toEqual(felt.full.tones);
	await waiting(page, 0);
	await context.setOffline(false);
	expect(await warehouse.childrenOf(parent)).toEqual(children);
});

test('without a network the last bag has the fanfare, and the next one is refused', async ({
	page,
	context,
	warehouse
}) => {
	await warehouse.addFormat({ name: 'Small', kind: 'parent', pattern: 'SMALL-[0-9]{3}', capacity: 2 });
	await recordSenses(page);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await wedge(page, 'SMALL-001');
	await allSent(page);
	await context.setOffline(true);
	await wedge(page, 'CSM-1');
	await expect(panel(page)).toContainText('Saved on this device');
	await wedge(page, 'CSM-2');
	await expect(panel(page)).toHaveAttribute('data-tone', 'done');
	for (const n of [3, 4]) {
		await wedge(page, `CSM-${n}`);
		await expect(panel(page)).toContainText('NOT added: bag is full');
		await expect(panel(page)).toHaveAttribute('data-tone', 'warn');
		await expect(progress(page)).toHaveText('2 / 2');
	}
	// Taken back, there is room again.
	await wedge(page, 'TT-CMD-UNDO');
	await expect(progress(page)).toHaveText('1 / 2');
	await wedge(page, 'CSM-5');
	await expect(progress(page)).toHaveText('2 / 2');
	await context.setOffline(false);
	await allSent(page);
	expect(await warehouse.childrenOf('SMALL-001')).toEqual(['CSM-1', 'CSM-5']);
});

test('a refused undo says in Hindi why, and leaves the bag and the count as they are', async ({ page, warehouse }) => {
	const [parent, other] = [warehouse.parentCode(), warehouse.parentCode()];
	const [moved, billed] = childCodes(parent, 2) as [string, string];
	await warehouse.pack(other, []);
	await page.setViewportSize(PHONE);
	await inHindi(page);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await wedge(page, billed);
	await wedge(page, moved);
	await allSent(page);
	await expect(progress(page)).toHaveText('2 / 30');
	// The bag is moved from another desk; the station still shows it here.
	await warehouse.move(moved, other);
	await wedge(page, 'TT-CMD-UNDO');
	await expect(panel(page)).toHaveAttribute('data-tone', /warn|bad/);
	await expect(progress(page)).toHaveText('1 / 30');
	await speaksNoEnglish(page);
	await portrait(page, 'station-undo-superseded-hindi');
	await page.setViewportSize(PHONE);
	expect(await warehouse.childrenOf(parent)).toEqual([billed]);

	// The parent leaves on a truck: nothing in it can be undone.
	const bill = await warehouse.bill([parent], 1);
	await warehouse.finishBill(bill);
	await page.getByRole('button', { name: new RegExp(`${billed} वापस लें`) }).click();
	await expect(panel(page)).toContainText('पूरे बिल पर');
	await expect(panel(page)).toHaveAttribute('data-tone', /warn|bad/);
	await expect(progress(page)).toHaveText('1 / 30');
	await expect(page.locator('[data-outcome=linked]')).toContainText(billed);
	await speaksNoEnglish(page);
	await portrait(page, 'station-undo-refused-hindi');
	expect(await warehouse.childrenOf(parent)).toEqual([billed]);
	await expect(page.locator('[data-outcome=undone]')).toHaveCount(0);
});

test('a child with no parent open asks for a parent first, with and without a network', async ({
	page,
	context,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	const [known] = childCodes(parent, 1) as [string];
	await warehouse.pack(parent, [known]);
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('biller'), '/scan');
	await keptOnDevice(page);
	for (const code of ['NEVER-SEEN-1', known]) {
		await wedge(page, code);
		await expect(panel(page)).toContainText('Scan a parent bag first');
		await expect(panel(page)).toHaveAttribute('data-tone', 'warn');
	}
	// It says where the bag is, all the same.
	await expect(panel(page)).toContainText(`In ${parent}`);
	await portrait(page, 'station-no-parent');
	await page.setViewportSize(PHONE);
	await allSent(page);
	await context.setOffline(true);
	await wedge(page, 'NEVER-SEEN-2');
	await expect(panel(page)).toContainText('Scan a parent bag first');
	await expect(panel(page)).toHaveAttribute('data-tone', 'warn');
	await waiting(page, 0);
	await context.setOffline(false);
	await wedge(page, 'TT-CMD-COMPLETE');
	await expect(panel(page)).toContainText('Scan a parent bag first');
	await expect(page.getByRole('button', { name: /needs? attention/ })).toBeHidden();
});

test('a refused parent leaves the open one open', async ({ page, context, warehouse }) => {
	const [own, theirs, alsoTheirs] = [1, 2, 3].map(() => warehouse.parentCode()) as [string, string, string];
	const [a, b, c] = childCodes(own, 3) as [string, string, string];
	const neighbour = await warehouse.as(await warehouse.person('dispatcher', 'Indore'));
	const refusedScansOf = async (code: string) =>
		(await warehouse.scansOf(code)).filter((scan) => scan.outcome === 'other_dispatch_area').length;
	for (const qr_code of [theirs, alsoTheirs]) await neighbour.POST('/api/v1/scans', { body: { qr_code } });
	await page.setViewportSize(PHONE);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await keptOnDevice(page);
	await wedge(page, own);
	await wedge(page, a);
	await allSent(page);
	await wedge(page, theirs);
	await expect(panel(page)).toContainText('Bag of another area');
	await expect(panel(page)).toHaveAttribute('data-tone', 'warn');
	await expect(openParent(page)).toHaveText(own);
	await expect(progress(page)).toHaveText('1 / 30');
	await portrait(page, 'station-parent-refused');
	await page.setViewportSize(PHONE);
	await wedge(page, b);
	await expect(progress(page)).toHaveText('2 / 30');
	await allSent(page);

	// The refusals of two in a row come late, with a reload between.
	await context.setOffline(true);
	await wedge(page, theirs);
	await page.reload();
	await expect(openParent(page)).toHaveText(theirs);
	await wedge(page, alsoTheirs);
	await expect(openParent(page)).toHaveText(alsoTheirs);
	await waiting(page, 2);
	await context.setOffline(false);
	await allSent(page);
	await expect(openParent(page)).toHaveText(own);
	await expect(progress(page)).toHaveText('2 / 30');

	// The refusal comes while nobody looks at the station.
	await context.setOffline(true);
	await wedge(page, theirs);
	await waiting(page, 1);
	await page.getByRole('link', { name: 'Overview' }).click();
	await expect(page.getByTestId('result')).toBeHidden();
	await context.setOffline(false);
	await expect(page.locator('[data-waiting]')).toHaveCount(0);
	await expect.poll(() => refusedScansOf(theirs)).toBe(3);
	await page.goto('/scan');
	await expect(openParent(page)).toHaveText(own);
	await wedge(page, c);
	await expect(progress(page)).toHaveText('3 / 30');
	await allSent(page);
	expect(await warehouse.childrenOf(own)).toEqual([a, b, c]);
	expect(await warehouse.childrenOf(theirs)).toEqual([]);
});

test('every tone can be told by its colour in every theme', async ({ page, warehouse }) => {
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await page.getByRole('button', { name: 'Settings' }).click();
	await page.getByRole('heading', { name: 'What the tones mean' }).scrollIntoViewIfNeeded();
	const grounds = () =>
		page
			.locator('.tones button')
			.evaluateAll((buttons) => buttons.map((button) => getComputedStyle(button).backgroundColor));
	for (const contrast of ['no-preference', 'more'] as const)
		for (const colorScheme of ['light', 'dark'] as const) {
			await page.emulateMedia({ contrast, colorScheme, reducedMotion: 'reduce' });
			await accessible(page);
			await expect.poll(async () => new Set(await grounds()).size).toBe(6);
		}
});

test('refused commands leave no green behind', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await expect(panel(page)).toHaveAttribute('data-tone', 'ok');
	for (const [command, words] of [
		['TT-CMD-UNDO', 'Nothing to undo'],
		['TT-CMD-DANCE', 'Unknown command'],
		['TT-CMD-COMPLETE', 'The bag is empty']
	] as const) {
		await wedge(page, command);
		await expect(panel(page)).toContainText(words);
		await expect(panel(page)).toHaveAttribute('data-tone', /warn|bad/);
	}
	await allSent(page);
	expect((await warehouse.bag(parent)).status).toBe('open');
	await expect(page.getByRole('button', { name: 'Complete' })).toBeVisible();
});

test('what a newer server refuses is said in words of the person, never in the sentence of the server', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	await page.setViewportSize(PHONE);
	await inHindi(page);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await allSent(page);
	const problem = { type: '', title: 'Tomorrow', status: 409, code: 'a_code_of_tomorrow', detail: 'Ask the crew.' };
	await page.route('**/api/v1/scans', (route) =>
		route.fulfill({ status: 409, contentType: 'application/problem+json', body: JSON.stringify(problem) })
	);
	await wedge(page, `CH-${parent}-1`);
	await expect(panel(page)).toContainText('यह नहीं हुआ');
	await expect(panel(page)).toHaveAttribute('data-tone', 'bad');
	await expect(progress(page)).toHaveText('0 / 30');
	await speaksNoEnglish(page);
	await portrait(page, 'station-unknown-refusal-hindi');
});
