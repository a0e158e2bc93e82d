import createClient from 'openapi-fetch';
import type { components, paths } from './schema.gen';
import { noteServerDate } from '$lib/clock';
import { apiBase, isApiElsewhere } from './address';

export type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];

/** What the client needs to know of the session; set by the session itself, to keep imports one-way. */
interface TokenSource {
	token(): string | null;
	/** Somebody is known to work here, but there is no token yet: the app was started without a network. */
	isDue(): boolean;
	/** Renews the token; false when the session has ended, or has become another person's. */
	renew(): Promise<boolean>;
}

let source: TokenSource = { token: () => null, isDue: () => false, renew: () => Promise.resolve(false) };

export function setTokenSource(tokens: TokenSource): void {
	source = tokens;
}

/** The token of the session, for requests that `fetch` can't make. */
export const tokens: Pick<TokenSource, 'token' | 'renew'> = {
	token: () => source.token(),
	renew: () => source.renew()
};

/** Sends a request with the access token, and once more after renewing it when the server says it is too old. */
export async function authorized(request: Request): Promise<Response> {
	const spare = request.clone();
	if (source.isDue() && !isSignIn(request)) await source.renew();
	const response = await send(request);
	if (response.status !== 401 || isSignIn(request) || !source.token()) return response;
	if (await isAboutProof(response.clone())) return response;
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

/** A wrong password or code of somebody who is signed in: sending it again would count as another wrong one. */
async function isAboutProof(response: Response): Promise<boolean> {
	const problem: unknown = await response.json().catch(() => null);
	const code = typeof problem === 'object' && problem !== null && 'code' in problem ? problem.code : null;
	return code === 'invalid_credentials' || code === 'invalid_two_factor_code';
}

export const api = createClient<paths>({
	baseUrl: apiBase,
	fetch: authorized,
	// The cookie of the session goes along to another host too.
	credentials: isApiElsewhere ? 'include' : 'same-origin'
});
