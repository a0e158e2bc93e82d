import { apiUrl, isApiElsewhere } from './address';
import { tokens } from './client';
import { ApiError, NetworkError } from './errors';

interface Options {
	/** Bytes on their way, of how many. */
	onprogress?: (sent: number, total: number) => void;
	headers?: Record<string, string>;
	signal?: AbortSignal;
}

/**
 * Sends a form with a file and says how far it is, which `fetch` can't. Answers with the server's JSON.
 *
 * # Errors
 * [`ApiError`] when the server refuses, [`NetworkError`] when it was not reached, an `AbortError` after `signal`.
 */
export async function upload<T>(path: string, form: FormData, options: Options = {}): Promise<T> {
	let answer = await send(path, form, options);
	if (answer.status === 401 && tokens.token() && (await tokens.renew())) answer = await send(path, form, options);
	if (answer.status < 200 || answer.status >= 300) throw new ApiError(answer.status, answer.body);
	return answer.body as T;
}

function send(path: string, form: FormData, options: Options): Promise<{ status: number; body: unknown }> {
	return new Promise((resolve, reject) => {
		const request = new XMLHttpRequest();
		request.open('POST', apiUrl(path));
		request.withCredentials = isApiElsewhere;
		const token = tokens.token();
		if (token) request.setRequestHeader('authorization', `Bearer ${token}`);
		for (const [name, value] of Object.entries(options.headers ?? {})) request.setRequestHeader(name, value);
		request.upload.onprogress = ({ loaded, total }) => options.onprogress?.(loaded, total);
		request.onload = () => resolve({ status: request.status, body: jsonOf(request.responseText) });
		request.onerror = () => reject(new NetworkError('the upload broke off'));
		request.onabort = () => reject(new DOMException('the upload was cancelled', 'AbortError'));
		options.signal?.addEventListener('abort', () => request.abort(), { once: true });
		request.send(form);
	});
}

function jsonOf(text: string): unknown {
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return null;
	}
}
