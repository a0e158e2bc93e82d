import createClient from 'openapi-fetch';
import type { paths } from '../../src/lib/api/schema.gen';
import type { Person } from './warehouse';

type Api = ReturnType<typeof createClient<paths>>;

interface Token {
	value: string;
	/** In milliseconds since 1970: a token is renewed when half of its life is over. */
	renewAt: number;
}

/**
 * The API as a person uses it elsewhere: another device, another window. The access token is renewed before it
 * expires, so that a client works for as long as the run takes.
 */
export async function apiAs(url: string, person: Person): Promise<Api> {
	let token = await signIn(url, person);
	const api = createClient<paths>({ baseUrl: url });
	api.use({
		async onRequest({ request }) {
			if (Date.now() > token.renewAt) token = await signIn(url, person);
			request.headers.set('authorization', `Bearer ${token.value}`);
			return request;
		}
	});
	return api;
}

/** Signs in over the API. */
export async function signIn(url: string, person: Person): Promise<Token> {
	const { data, error } = await createClient<paths>({ baseUrl: url }).POST('/api/v1/auth/login', { body: person });
	if (!data || !('access_token' in data)) {
		throw new Error(`${person.username} could not sign in: ${JSON.stringify(error ?? data)}`);
	}
	return { value: data.access_token, renewAt: Date.now() + (data.expires_in_seconds * 1000) / 2 };
}
