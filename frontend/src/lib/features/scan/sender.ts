import { api, type Problem, type Schemas } from '$lib/api/client';
import { exclusive } from '$lib/exclusive';
import type { QueuedScan, ScanStore } from './store';

type Bag = Schemas['Bag'];

/** What the server said of a scan. */
export interface Verdict {
	id: string;
	outcome: string;
	bag: Bag | null;
	parent: Bag | null;
	linkedParent: string | null;
	detail: string | null;
}

/** Sends scans; throws [`NotNow`] when they have to wait. */
export type Transport = (scans: QueuedScan[]) => Promise<Verdict[]>;

/** The server could not take the scans now. They stay in the store and are sent again with the same ids. */
export class NotNow extends Error {
	constructor(
		readonly retryAfterMs: number | null,
		readonly isSignedOut = false
	) {
		super('not now');
	}
}

/** Most scans sent in one request. */
const BATCH = 100;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface SenderEvents {
	settled(verdict: Verdict): void;
	changed(waiting: number, isHeldUp: boolean, isSignedOut: boolean): void;
}

/** Empties the store into the server, in order, one request at a time over all tabs. */
export class Sender {
	#running = false;
	#wakeUp: (() => void) | undefined;
	#stopped = false;

	constructor(
		private readonly userId: number,
		private readonly store: ScanStore,
		private readonly events: SenderEvents,
		private readonly transport: Transport = sendOverHttp,
		private readonly alone: <T>(work: () => Promise<T>) => Promise<T> = (work) => exclusive('traitortrack-sender', work)
	) {}

	/** There is something to send, or the network is back. */
	wake(): void {
		this.#wakeUp?.();
		if (!this.#running) void this.#run();
	}

	stop(): void {
		this.#stopped = true;
		this.#wakeUp?.();
	}

	async #run(): Promise<void> {
		this.#running = true;
		let waitMs = FIRST_WAIT_MS;
		try {
			while (!this.#stopped) {
				try {
					if (!(await this.alone(() => this.#sendSome()))) return;
					waitMs = FIRST_WAIT_MS;
				} catch (error) {
					const notNow = error instanceof NotNow ? error : new NotNow(null);
					this.events.changed(await this.store.count(this.userId), true, notNow.isSignedOut);
					await this.#sleep(notNow.retryAfterMs ?? waitMs);
					waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
				}
			}
		} finally {
			this.#running = false;
		}
	}

	/** Sends the oldest scans; false when there are none. */
	async #sendSome(): Promise<boolean> {
		const scans = await this.store.oldest(this.userId, BATCH);
		if (scans.length === 0) {
			this.events.changed(0, false, false);
			return false;
		}
		const verdicts = await this.transport(scans);
		await this.store.remove(verdicts.map((verdict) => verdict.id));
		for (const verdict of verdicts) this.events.settled(verdict);
		this.events.changed(await this.store.count(this.userId), false, false);
		return true;
	}

	#sleep(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#wakeUp = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}
}

/** One scan alone, several as a batch. */
export const sendOverHttp: Transport = async (scans) => {
	const [only] = scans;
	return scans.length === 1 && only ? [await sendOne(only)] : sendBatch(scans);
};

function body(scan: QueuedScan): Schemas['ScanRequest'] {
	const { id, qr_code, parent_qr_code, scanned_at, source } = scan;
	return { id, qr_code, scanned_at, source, ...(parent_qr_code ? { parent_qr_code } : {}) };
}

async function sendOne(scan: QueuedScan): Promise<Verdict> {
	const { data, error, response } = await api.POST('/api/v1/scans', { body: body(scan) });
	if (data)
		return { id: scan.id, outcome: data.outcome, bag: data.bag, parent: data.parent, linkedParent: null, detail: null };
	if (isTemporary(response.status)) throw notNow(response);
	return verdictOf(scan.id, error as Problem & Partial<Schemas['ScanProblem']>);
}

async function sendBatch(scans: QueuedScan[]): Promise<Verdict[]> {
	const { data, error, response } = await api.POST('/api/v1/scans/batch', { body: { scans: scans.map(body) } });
	if (data) {
		return data.results.map((result, n) => ({
			id: scans[n]?.id ?? result.id ?? '',
			outcome: result.outcome ?? result.problem?.code ?? 'refused',
			bag: result.bag ?? null,
			parent: result.parent ?? null,
			linkedParent: result.linked_parent_qr_code ?? null,
			detail: result.problem?.detail ?? null
		}));
	}
	if (isTemporary(response.status)) throw notNow(response);
	// The whole batch was refused: one by one, so that only the scan at fault is lost, and shown.
	const verdicts: Verdict[] = [];
	for (const scan of scans) verdicts.push(await sendOne(scan));
	return verdicts.length > 0 ? verdicts : [verdictOf('', error as Problem)];
}

function verdictOf(id: string, problem: Problem & Partial<Schemas['ScanProblem']>): Verdict {
	return {
		id,
		outcome: problem.code,
		bag: problem.scan?.bag ?? null,
		parent: problem.scan?.parent ?? null,
		linkedParent: problem.linked_parent_qr_code ?? null,
		detail: problem.detail
	};
}

/** Answers that say nothing about the scan itself. 403 is a password to be changed: the queue waits for it. */
function isTemporary(status: number): boolean {
	return status >= 500 || [401, 403, 408, 425, 429].includes(status);
}

function notNow(response: Response): NotNow {
	const seconds = Number(response.headers.get('retry-after'));
	return new NotNow(seconds > 0 ? seconds * 1000 : null, response.status === 401);
}
