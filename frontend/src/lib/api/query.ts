import { QueryClient } from '@tanstack/svelte-query';
import { ApiError, NetworkError, refusalOf } from './errors';

interface Answer<T> {
	data?: T;
	error?: unknown;
	response: Response;
}

/**
 * The data of an answer, for queries and mutations: `queryFn: () => unwrap(api.GET('/api/v1/bags', …))`.
 *
 * # Errors
 * [`ApiError`] with the server's problem, [`NetworkError`] when the server was not reached.
 */
export async function unwrap<T>(request: Promise<Answer<T>>): Promise<T> {
	let answer: Answer<T>;
	try {
		answer = await request;
	} catch (error) {
		throw new NetworkError(error);
	}
	if (!answer.response.ok) throw refusalOf(answer);
	// 204 has no data; whoever asks for it expects none.
	return answer.data as T;
}

const MOST_RETRIES = 2;

/** What the pages keep of the server's answers: shown at once on the way back, and asked for again behind it. */
export function newQueryClient(): QueryClient {
	return new QueryClient({
		defaultOptions: {
			queries: {
				staleTime: 5_000,
				networkMode: 'always',
				// A refusal stays a refusal; only a server that is away may be back in a moment.
				retry: (count, error) => count < MOST_RETRIES && (!(error instanceof ApiError) || error.status >= 502)
			},
			mutations: { networkMode: 'always' }
		}
	});
}
