import createClient from 'openapi-fetch';
import type { paths } from '../../src/lib/api/schema.gen';
import type { Person } from './warehouse';

/** The API as somebody uses it who is signed in elsewhere: another person, another window. */
export async function apiAs(url: string, person: Person): Promise<ReturnType<typeof createClient<paths>>> {
	const { data } = await createClient<paths>({ baseUrl: url }).POST('/api/v1/auth/login', { body: person });
	if (!data || !('access_token' in data)) throw new Error(`${person.username} could not sign in`);
	return createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${data.access_token}` } });
}
