import { readFile } from 'node:fs/promises';
import { apiAs } from './support/api-as';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

test('the log says in sentences who moved what, follows a bag, and is exported', async ({
	page,
	warehouse,
	baseURL
}) => {
	const [from, to] = [warehouse.parentCode(), warehouse.parentCode()];
	const child = `C${from}-1`;
	await warehouse.pack(from, [child]);
	await warehouse.pack(to, []);
	const elsewhere = await apiAs(baseURL ?? '', ADMIN);
	const move = (parent_qr_code: string) =>
		elsewhere.PUT('/api/v1/bags/{qr_code}/parent', { params: { path: { qr_code: child } }, body: { parent_qr_code } });
	await move(to);

	await signIn(page, ADMIN, '/audit-log');
	await portrait(page, 'audit-log');
	await page.getByLabel('Search by code, number or name').fill(child);
	const moved = page.getByRole('link', { name: `admin moved ${child} from ${from} to ${to}` });
	await expect(moved).toBeVisible();
	await expect(page.getByRole('link', { name: `admin added ${child} to ${from}` })).toBeVisible();
	await expect(page).toHaveURL(new RegExp(`q=${child}`));

	// What happens elsewhere appears without a reload.
	await move(from);
	await expect(page.getByRole('link', { name: `admin moved ${child} from ${to} to ${from}` })).toBeVisible();

	const downloading = page.waitForEvent('download');
	await page.getByRole('button', { name: 'Download' }).click();
	await page.getByRole('menuitem', { name: 'CSV' }).click();
	const file = await readFile(await (await downloading).path(), 'utf8');
	expect(file.split('\n').filter((line) => line.includes('child_moved') && line.includes(child))).toHaveLength(2);

	await page.getByLabel('Action').selectOption('child_moved');
	await expect(page.getByRole('row')).toHaveCount(3);
	await moved.click();
	await expect(page.getByRole('heading', { level: 1 })).toHaveText(`admin moved ${child} from ${from} to ${to}`);
	await expect(page.getByTestId('changes').getByRole('row', { name: /In parent/ })).toContainText(`${from}`);
	await expect(page.getByTestId('changes').getByRole('row', { name: /In parent/ })).toContainText(`${to}`);
	await portrait(page, 'audit-entry');
	await page.getByRole('link', { name: `Everything about ${child}` }).click();
	await expect(page).toHaveURL(new RegExp(`entity_type=bag&entity_id=${child}`));
	await expect(page.getByRole('link', { name: `admin created bag ${child}` })).toBeVisible();
	await expect(page.getByLabel('Exact code or number')).toHaveValue(child);

	await page.getByLabel('From').fill('2019-01-01');
	await page.getByLabel('To', { exact: true }).fill('2019-01-02');
	await expect(page.getByText('Nothing found')).toBeVisible();
	await page.getByRole('button', { name: 'Clear filters' }).click();
	await expect(page.getByRole('row').nth(1)).toBeVisible();
});

test('changes of people are told in words, in Hindi too', async ({ page, warehouse, baseURL }) => {
	const person = await warehouse.person('dispatcher');
	const elsewhere = await apiAs(baseURL ?? '', ADMIN);
	const { data } = await elsewhere.GET('/api/v1/users', { params: { query: { q: person.username } } });
	const id = data?.data[0]?.id ?? 0;
	await elsewhere.PATCH('/api/v1/users/{id}', {
		params: { path: { id } },
		headers: { 'if-match': '*' },
		body: { role: 'biller' }
	});
	await signIn(page, ADMIN, `/audit-log?entity_type=user&entity_id=${id}`);
	const row = page.getByRole('row', {
		name: new RegExp(`admin changed the role of ${person.username} from Packer to Biller`)
	});
	await expect(row).toContainText(/Role:\s*Packer/);
	await page.evaluate(() => localStorage.setItem('PARAGLIDE_LOCALE', 'hi'));
	await page.reload();
	await expect(page.getByText(`admin ने ${person.username} की भूमिका पैकर से बिलर की`)).toBeVisible();
	await portrait(page, 'audit-log-hindi');
});
