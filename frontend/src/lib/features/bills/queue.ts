import { ApiError } from '$lib/api/errors';
import type { Schemas } from '$lib/api/client';
import { uuidv7 } from '$lib/uuidv7';

/** A code that waits to be put on the bill. */
export interface Waiting {
	id: number;
	code: string;
}

interface Listener {
	/** The server decided about each of them, in their order. */
	answered(batch: Waiting[], answer: Schemas['AddBagsResponse']): void;
	/** The server took none of them, as on a bill that is finished meanwhile. */
	refused(batch: Waiting[], error: unknown): void;
	/** Why nothing goes out at the moment; null when it does again. */
	stalled(error: unknown): void;
	/** Nothing waits any more. */
	emptied(): void;
}

/** Puts codes on the bill; the key makes a second attempt count once. */
export type Send = (codes: string[], key: string) => Promise<Schemas['AddBagsResponse']>;

/** The API takes this many at a time. */
const MOST_AT_ONCE = 500;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Sends codes in the order they came, one batch at a time: what comes while a batch is away makes the next one. A batch
 * that was not answered is sent again with its key, so that nothing is lost and nothing counts twice.
 */
export class AddingQueue {
	#waiting: Waiting[] = [];
	#isSending = false;
	#wake: (() => void) | null = null;

	constructor(
		private readonly send: Send,
		private readonly listener: Listener
	) {}

	add(items: Waiting[]): void {
		this.#waiting.push(...items);
		void this.#work();
	}

	/** Tries at once instead of at the end of the pause, as when the network is back. */
	wake(): void {
		this.#wake?.();
	}

	async #work(): Promise<void> {
		if (this.#isSending) return;
		this.#isSending = true;
		while (this.#waiting.length > 0) await this.#deliver(this.#waiting.splice(0, MOST_AT_ONCE));
		this.#isSending = false;
		this.listener.emptied();
	}

	async #deliver(batch: Waiting[]): Promise<void> {
		const codes = batch.map((item) => item.code);
		const key = uuidv7();
		for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
			try {
				const answer = await this.send(codes, key);
				this.listener.stalled(null);
				this.listener.answered(batch, answer);
				return;
			} catch (error) {
				if (!mayWorkLater(error)) {
					this.listener.stalled(null);
					this.listener.refused(batch, error);
					return;
				}
				this.listener.stalled(error);
				await this.#pause(pauseMs);
			}
		}
	}

	#pause(ms: number): Promise<void> {
		return new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
		}).then(() => {
			this.#wake = null;
		});
	}
}

/** No network, a server that is away or busy, a session that has to be renewed; anything else is an answer. */
function mayWorkLater(error: unknown): boolean {
	if (!(error instanceof ApiError)) return true;
	return (
		error.status >= 500 || error.status === 401 || error.status === 429 || error.problem?.code === 'request_in_progress'
	);
}
