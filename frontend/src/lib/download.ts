import { apiUrl } from './api/address';
import { authorized } from './api/client';
import { ApiError, NetworkError } from './api/errors';

export type Query = Record<string, string | number | boolean | null | undefined>;

/**
 * Saves what the API answers at `path` as a file; parameters without a value are left out. The token goes in a header, so a plain link can't do it.
 *
 * # Errors
 * [`ApiError`] when the server refuses, [`NetworkError`] when it was not reached.
 */
export async function download(path: string, query: Query, fallbackName: string): Promise<void> {
	const params = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) {
		if (value !== null && value !== undefined && value !== '') params.set(name, String(value));
	}
	let response: Response;
	try {
		response = await authorized(new Request(apiUrl(`${path}?${params}`)));
	} catch (error) {
		throw new NetworkError(error);
	}
	if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
	save(await response.blob(), nameIn(response.headers.get('content-disposition')) ?? fallbackName);
}

/** Saves a text that the app has made as a file. */
export function saveText(text: string, name: string): void {
	save(new Blob([text], { type: 'text/plain;charset=utf-8' }), name);
}

function save(content: Blob, name: string): void {
	const url = URL.createObjectURL(content);
	const link = document.createElement('a');
	link.href = url;
	link.download = name;
	link.click();
	// The browser has taken its own reference by the next turn.
	setTimeout(() => URL.revokeObjectURL(url));
}

function nameIn(disposition: string | null): string | null {
	return /filename="?([^";]+)"?/.exec(disposition ?? '')?.[1] ?? null;
}
