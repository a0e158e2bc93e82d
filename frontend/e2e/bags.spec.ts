import { ADMIN, allSent, expect, portrait, signIn, test, wedge } from './support/test';

test('the bag page shows children and history, and lets a biller move a child', async ({ page, warehouse }) => {
	const parent = warehouse.parentCode();
	const other = warehouse.parentCode();
	await warehouse.pack(parent, [`${parent}C1`, `${parent}C2`, `${parent}C3`]);
	await warehouse.pack(other, []);
	await signIn(page, await warehouse.person('biller'), `/bags/${parent}`);
	await expect(page.getByTestId('child-count')).toHaveText('3 / 30');
	await expect(page.getByTestId('children').getByRole('listitem')).toHaveCount(3);
	await expect(page.getByTestId('history')).toContainText(`Scanned into ${parent}`);
	await portrait(page, 'bag-parent');

	await page.getByRole('button', { name: `Take ${parent}C2 out` }).click();
	await expect(page.getByTestId('children').getByRole('listitem')).toHaveCount(2);
	await expect(page.getByTestId('history')).toContainText('Taken out');
	await page
		.getByRole('link', { name: `${parent}C3` })
		.first()
		.click();
	await expect(page.getByRole('heading', { name: `${parent}C3` })).toBeVisible();
	await expect(page.getByTestId('in-parent')).toHaveText(parent);
	await page.getByLabel('Code of the new parent').fill(other.toLowerCase());
	await page.getByRole('button', { name: 'Move', exact: true }).click();
	await expect(page.getByTestId('in-parent')).toHaveText(other);
	await portrait(page, 'bag-child');
	expect(await warehouse.childrenOf(other)).toEqual([`${parent}C3`]);

	await page.getByLabel('Code of the new parent').fill('SB00000');
	await page.getByRole('button', { name: 'Move', exact: true }).click();
	await expect(page.getByRole('alert')).toBeVisible();
	await expect(page.getByTestId('in-parent')).toHaveText(other);
});

test('a packer completes and reopens a parent on its page but may not take children out', async ({
	page,
	warehouse
}) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`${parent}C1`]);
	await signIn(page, await warehouse.person('dispatcher'), '/scan');
	await wedge(page, parent);
	await allSent(page);
	await page.goto(`/bags/${parent}`);
	await expect(page.getByTestId('children').getByRole('listitem')).toHaveCount(1);
	await expect(page.getByRole('button', { name: `Take ${parent}C1 out` })).toBeHidden();
	await page.getByRole('button', { name: 'Complete' }).click();
	await page.getByRole('button', { name: 'Reopen' }).click();
	await expect(page.getByRole('button', { name: 'Complete' })).toBeEnabled();
});

test('an unknown bag says so', async ({ page }) => {
	await signIn(page, ADMIN, '/bags/SB99999');
	await expect(page.getByRole('heading', { name: 'Nothing here' })).toBeVisible();
	await portrait(page, 'bag-missing');
});

test('the bag list is searched and filtered, and its address can be shared', async ({
	page,
	warehouse,
	browser,
	baseURL
}) => {
	const parent = warehouse.parentCode();
	await warehouse.pack(parent, [`${parent}C1`, `${parent}C2`]);
	await signIn(page, ADMIN, '/bags');
	await portrait(page, 'bags');
	await page.getByLabel('Search by code').fill(parent.toLowerCase());
	await page.getByLabel('Kind').selectOption('child');
	await expect(page.getByRole('row')).toHaveCount(3);
	await expect(page).toHaveURL(/kind=child&q=sb\d+/);

	const colleague = await browser.newPage({ baseURL });
	await signIn(colleague, ADMIN, page.url());
	await expect(colleague.getByRole('row')).toHaveCount(3);
	await expect(colleague.getByLabel('Kind')).toHaveValue('child');
	await colleague.close();

	await page.getByLabel('Search by code').fill('NO-SUCH-BAG');
	await expect(page.getByText('No bags found.')).toBeVisible();
	await page.goBack();
	await expect(page.getByLabel('Kind')).toHaveValue('');
});

test('the colours chosen are kept', async ({ page }) => {
	await page.goto('/');
	await page.getByLabel('Colours').selectOption('dark');
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
	await page.reload();
	await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test('an address that does not exist leads back', async ({ page }) => {
	await signIn(page, ADMIN, '/no/such/page');
	await expect(page.getByRole('heading', { name: 'Nothing here' })).toBeVisible();
	await page.getByRole('link', { name: 'To the overview' }).click();
	await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
});
