import { apiUrl } from './api/address';
import { authorized } from './api/client';
import { ApiError, NetworkError } from './api/errors';
import { saveBlob } from './save-file';

/** Where the browser can write a file bit by bit; not every browser can, and TypeScript's DOM does not know it yet. */
type Picker = (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;

const picker = (): Picker | undefined =>
	(window as unknown as { showSaveFilePicker?: Picker }).showSaveFilePicker?.bind(window);

/** Whether a download can go straight to the disk, without room in memory. */
export const canStreamToDisk = (): boolean => picker() !== undefined;

interface Options {
	/** Name for the file, where the server gives none. */
	name: string;
	/** Ask where to save, and write what comes at once. */
	isToDisk: boolean;
	onbytes: (received: number) => void;
	signal: AbortSignal;
}

/**
 * Downloads what may be large: says how much has come, and can be cancelled.
 *
 * # Errors
 * [`ApiError`] when the server refuses, [`NetworkError`] when it breaks off, an `AbortError` when it was cancelled.
 */
export async function streamDownload(path: string, query: Record<string, string>, options: Options): Promise<void> {
	const pick = options.isToDisk ? picker() : undefined;
	// Asked first: browsers show the dialog only right after a click.
	const handle = await pick?.({ suggestedName: options.name });
	const response = await answered(path, query, options.signal);
	let received = 0;
	const counter = new TransformStream<Uint8Array, Uint8Array>({
		transform(chunk, controller) {
			received += chunk.byteLength;
			options.onbytes(received);
			controller.enqueue(chunk);
		}
	});
	try {
		const body = (response.body ?? new Blob().stream()).pipeThrough(counter, { signal: options.signal });
		if (handle) await body.pipeTo(await handle.createWritable(), { signal: options.signal });
		else saveBlob(await new Response(body).blob(), nameOf(response) ?? options.name);
	} catch (error) {
		throw options.signal.aborted ? aborted() : new NetworkError(error);
	}
}

async function answered(path: string, query: Record<string, string>, signal: AbortSignal): Promise<Response> {
	let response: Response;
	try {
		response = await authorized(new Request(apiUrl(`${path}?${new URLSearchParams(query)}`), { signal }));
	} catch (error) {
		throw signal.aborted ? aborted() : new NetworkError(error);
	}
	if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
	return response;
}

const aborted = () => new DOMException('the download was cancelled', 'AbortError');

function nameOf(response: Response): string | undefined {
	return /filename="?([^";]+)"?/.exec(response.headers.get('content-disposition') ?? '')?.[1];
}
