import createClient from 'openapi-fetch';
import type { components, paths } from './schema.gen';
import { noteServerDate } from '$lib/clock';
import { apiBase, isApiElsewhere } from './address';

export type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];

/** What the client needs to know of the session; set by the session itself, to keep imports one-way. */
interface TokenSource {
	token(): string | null;
	/** Renews the token; false when the session has ended. */
	renew(): Promise<boolean>;
}

let source: TokenSource = { token: () => null, renew: () => Promise.resolve(false) };

export function useTokens(tokens: TokenSource): void {
	source = tokens;
}

/** The token of the session, for requests that `fetch` can't make. */
export const tokens: TokenSource = { token: () => source.token(), renew: () => source.renew() };

/** Sends a request with the access token, and once more after renewing it when the server says it is too old. */
export async function authorized(request: Request): Promise<Response> {
	const spare = request.clone();
	const response = await send(request);
	if (response.status !== 401 || isSignIn(request) || !source.token()) return response;
	return (await source.renew()) ? send(spare) : response;
}

async function send(request: Request): Promise<Response> {
	const token = source.token();
	if (token) request.headers.set('authorization', `Bearer ${token}`);
	const response = await fetch(request);
	noteServerDate(response.headers.get('date'));
	return response;
}

function isSignIn(request: Request): boolean {
	return new URL(request.url).pathname.includes('/api/v1/auth/');
}

export const api = createClient<paths>({
	baseUrl: apiBase,
	fetch: authorized,
	// The cookie of the session goes along to another host too.
	credentials: isApiElsewhere ? 'include' : 'same-origin'
});
