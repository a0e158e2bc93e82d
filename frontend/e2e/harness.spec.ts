import { expect, test } from '@playwright/test';
import { Warehouse } from './support/warehouse';

test('what prepares the tests goes on working when its access token has expired', async () => {
	const warehouse = await Warehouse.open({ ACCESS_TOKEN_SECONDS: '1' });
	try {
		const first = await warehouse.accessToken();
		const me = () => fetch(`${warehouse.server.url}/api/v1/me`, { headers: { authorization: `Bearer ${first}` } });
		expect((await me()).status).toBe(200);
		await expect.poll(async () => (await me()).status).toBe(401);
		const packer = await warehouse.person('dispatcher');
		expect(packer.username).toBe('dispatcher1');
	} finally {
		await warehouse.server.stop();
	}
});
