import { apiAs } from './support/api-as';
import { ADMIN, expect, portrait, signIn, test } from './support/test';

test('a packer asks for another role; the admin hears of it live and grants it; the packer is told', async ({
	page,
	browser,
	baseURL,
	warehouse
}) => {
	const person = await warehouse.person('dispatcher');
	await signIn(page, ADMIN, '/promotion-requests');
	await expect(page.getByRole('heading', { level: 1, name: 'Role requests' })).toBeVisible();

	const phone = await browser.newPage(baseURL ? { baseURL } : {});
	await signIn(phone, person, '/promotion-requests');
	await expect(phone.getByText('No requests')).toBeVisible();
	await portrait(phone, 'role-request');
	await phone.getByLabel('Reason').fill('I do the bills when Shanti is away.');
	await phone.getByRole('button', { name: 'Send request' }).click();
	await expect(phone.getByTestId('requests').getByRole('listitem')).toContainText('Pending');
	await expect(phone.getByText('An admin will review your request')).toBeVisible();

	const bell = page.getByRole('button', { name: /Notifications, \d+ unread/ });
	await expect(bell).toBeVisible();
	await bell.click();
	await expect(page.getByText(`${person.username} requested the role Biller.`)).toBeVisible();
	await portrait(page, 'notification-bell');
	await page.getByText(`${person.username} requested the role Biller.`).click();
	await expect(page).toHaveURL(/\/promotion-requests$/);

	await page.goto('/promotion-requests?status=pending');
	await portrait(page, 'role-requests');
	await page.getByRole('button', { name: `Approve ${person.username}'s request` }).click();
	await page.getByLabel('Note').fill('Welcome among the billers.');
	await portrait(page, 'role-request-approve');
	await page.getByRole('button', { name: 'Approve', exact: true }).click();
	await expect(page.getByText(`${person.username} has the new role`)).toBeVisible();
	await page.getByRole('button', { name: 'Approved' }).click();
	await expect(page.getByTestId('requests')).toContainText('Welcome among the billers.');

	await signIn(phone, person, '/notifications');
	await expect(phone.getByTestId('notifications')).toContainText('Your role is now Biller. Welcome among the billers.');
	await portrait(phone, 'notifications');
	await phone.getByRole('button', { name: 'Mark as read', exact: true }).click();
	await expect(phone.getByRole('button', { name: 'Notifications', exact: true })).toBeVisible();
	await phone.getByRole('button', { name: 'Unread', exact: true }).click();
	await expect(phone.getByText('No unread notifications')).toBeVisible();
	await phone.getByRole('button', { name: 'Read', exact: true }).click();
	await phone.getByRole('button', { name: 'Mark as unread' }).click();
	await phone.getByRole('button', { name: 'All', exact: true }).click();
	await phone.getByRole('button', { name: 'Mark all as read' }).click();
	await expect(phone.getByText('1 marked as read')).toBeVisible();
	await phone.getByRole('link', { name: 'Open: You have a new role' }).click();
	await expect(phone.getByRole('heading', { level: 1, name: 'Profile' })).toBeVisible();
	await expect(phone.getByTestId('last-request')).toContainText('Welcome among the billers.');
	await phone.close();
});

test('a refused request says why', async ({ page, browser, baseURL, warehouse }) => {
	const person = await warehouse.person('biller');
	const asker = await browser.newPage(baseURL ? { baseURL } : {});
	await signIn(asker, person, '/profile');
	await asker.getByLabel('Reason').fill('I would like to.');
	await asker.getByRole('button', { name: 'Send request' }).click();
	await expect(asker.getByTestId('last-request')).toContainText('Pending');
	await signIn(page, ADMIN, '/promotion-requests');
	await page.getByRole('button', { name: `Reject ${person.username}'s request` }).click();
	await page.getByLabel('Note').fill('Two admins are enough.');
	await page.getByRole('button', { name: 'Reject', exact: true }).click();
	await expect(page.getByText(`${person.username} has been notified.`)).toBeVisible();
	await expect(asker.getByRole('button', { name: 'Notifications, 1 unread' })).toBeVisible();
	await asker.goto('/notifications');
	await expect(asker.getByTestId('notifications')).toContainText('Two admins are enough.');
	await asker.close();
});

test('an approval that comes too late to raise the role closes the request', async ({ page, baseURL, warehouse }) => {
	const person = await warehouse.person('dispatcher');
	const asker = await warehouse.as(person);
	const body = { wanted_role: 'biller', reason: 'I do the bills.' } as const;
	await asker.POST('/api/v1/promotion-requests', { body });
	await signIn(page, ADMIN, '/promotion-requests');
	const request = page.getByTestId('requests').getByRole('listitem').filter({ hasText: person.username });
	await expect(request).toContainText('Pending');
	// Another admin gives the role while the list is open.
	const admin = await apiAs(baseURL ?? '', ADMIN);
	const { data: found } = await admin.GET('/api/v1/users', { params: { query: { q: person.username } } });
	const user = found?.data[0];
	if (!user) throw new Error('the person is not found');
	await admin.PATCH('/api/v1/users/{id}', {
		params: { path: { id: user.id } },
		headers: { 'if-match': `"${user.version}"`, 'content-type': 'application/merge-patch+json' },
		body: { role: 'admin' }
	});
	await page.getByRole('button', { name: `Approve ${person.username}'s request` }).click();
	await page.getByRole('button', { name: 'Approve', exact: true }).click();
	const dialog = page.getByRole('dialog');
	await expect(dialog.getByRole('alert')).toContainText('The request is closed.');
	await dialog.getByRole('button', { name: 'Cancel' }).click();
	await expect(request).toContainText('Closed');
	await expect(request).toContainText('The person already had this role or a higher one.');
	await portrait(page, 'role-request-closed');
});
