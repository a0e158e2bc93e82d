import type { BagFormats } from '$lib/bag-formats/formats';
import { isOpening, isRefusal, type QueuedAction, type Refusal, type ActionResult } from './actions';
import { differences, openInstead, sortAgain, type Replaced } from './sort-again';
import type { ActionStore } from './store';

/** Sends acts that go out together; throws [`RetryLater`] when they have to wait. One result for each, in order. */
export type Transport = (acts: QueuedAction[]) => Promise<ActionResult[]>;

/** Why nothing can be sent now: no way to the server, nobody signed in, or the server asks to wait. */
export type BlockedReason = 'offline' | 'signed_out' | 'busy';

/** The server could not take the acts now. They stay in the store and are sent again with the same ids. */
export class RetryLater extends Error {
	constructor(
		readonly reason: BlockedReason,
		readonly retryAfterMs: number | null = null
	) {
		super(`retry later: ${reason}`);
	}
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** The bag formats of the server, asked for no longer ago than this; throws [`RetryLater`] when they can't be had. */
export type FreshFormats = (maxAgeMs: number) => Promise<BagFormats>;

export interface SenderEvents {
	/** Whether a person has the answer to this act before their eyes; any other refusal is kept to be resolved. */
	sees(result: ActionResult): boolean;
	resolved(result: ActionResult): void;
	/** What waits was sorted again: other acts stand in the queue now. */
	replaced?(replaced: Replaced[]): void;
	/** The queue or its state has changed. */
	changed(blockedReason: BlockedReason | null): void;
}

/** Empties the store into the server, in order, one request at a time over all tabs and the service worker. */
export class Sender {
	#running = false;
	#wakeUp: ((isUrgent: boolean) => void) | undefined;
	#stopped = false;
	/** What waits may have been sorted with formats that are not the server's any more. */
	#mustSort = true;
	#sortedWith: BagFormats | null = null;

	constructor(
		private readonly userId: number,
		private readonly store: ActionStore,
		private readonly events: SenderEvents,
		private readonly transport: Transport,
		private readonly alone: <T>(work: () => Promise<T>) => Promise<T>,
		private readonly formats?: FreshFormats
	) {}

	/** There is something to send. Urgent: something that held it up is over, so no wait is worth keeping. */
	wake(isUrgent = false): void {
		if (this.#stopped) return;
		this.#wakeUp?.(isUrgent);
		if (!this.#running) void this.#run();
	}

	stop(): void {
		this.#stopped = true;
		this.#wakeUp?.(true);
	}

	async #run(): Promise<void> {
		this.#running = true;
		let waitMs = FIRST_WAIT_MS;
		try {
			while (!this.#stopped) {
				try {
					if (!(await this.alone(() => this.sendSome()))) return;
					waitMs = FIRST_WAIT_MS;
				} catch (error) {
					this.#mustSort = true;
					const { reason, retryAfterMs } = error instanceof RetryLater ? error : new RetryLater('offline');
					this.events.changed(reason);
					await this.#sleep(retryAfterMs ?? waitMs, retryAfterMs !== null);
					waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
				}
			}
		} finally {
			this.#running = false;
		}
	}

	/** Sends the oldest acts that go out together; false when there are none. */
	async sendSome(): Promise<boolean> {
		if (this.#stopped) return false;
		const sorted = await this.#sort();
		const acts = await this.store.take(this.userId, sorted);
		if (acts.length === 0) {
			// Something has come since, and is to be sorted first.
			if ((await this.store.list(this.userId)).length > 0) return true;
			this.events.changed(null);
			return false;
		}
		const results = await this.#openMistaken((await this.transport(acts)).map(ofOpening));
		const unseen = results.filter((result) => isNews(result) && !this.events.sees(result));
		await this.store.resolve(
			results.map((result) => result.act.id),
			unseen.map(toRefusal),
			// A scan that was taken back needs no settling any more.
			results.map(({ act }) => (act.kind === 'undo' ? act.scan_id : '')).filter(Boolean)
		);
		for (const result of results) this.events.resolved(result);
		this.events.changed(null);
		return true;
	}

	/** Sorts what waits with the formats of the server, where it may have been sorted with others. Returns what did. */
	async #sort(): Promise<ReadonlySet<string> | undefined> {
		if (!this.formats) return undefined;
		const acts = await this.store.list(this.userId);
		const scans = acts.filter((act) => act.kind === 'scan');
		if (scans.length > 0) {
			// Of several, what comes behind a parent has to go into it: there is no answer in between to learn from.
			const formats = await this.formats(this.#mustSort || scans.length > 1 ? 0 : Infinity);
			const isDue = this.#mustSort || scans.some(({ sorting }) => sorting === 'due') || formats !== this.#sortedWith;
			if (isDue) await this.#replace((waiting) => sortAgain(waiting, formats));
			this.#sortedWith = formats;
			this.#mustSort = false;
		}
		return new Set(acts.map(({ id }) => id));
	}

	/** Opens parents that were scanned as children. The other results stay. */
	async #openMistaken(results: ActionResult[]): Promise<ActionResult[]> {
		if (!this.formats) return results;
		const mistaken = results.filter((result, at) => isMistaken(result) && !isFollowed(result.act, results, at));
		if (mistaken.length === 0) return results;
		this.#mustSort = true;
		const opened = new Set<string>();
		for (const { act } of mistaken)
			for (const { before } of await this.#replace((acts) => openInstead(acts, act.id))) opened.add(before.id);
		return results.filter(({ act }) => !opened.has(act.id));
	}

	async #replace(change: (acts: QueuedAction[]) => QueuedAction[]): Promise<Replaced[]> {
		return this.store.replace(this.userId, (acts) => {
			const sorted = change(acts);
			const replaced = differences(acts, sorted);
			// At once: whatever is scanned from now on is sorted as the screen shows it.
			if (replaced.length > 0) this.events.replaced?.(replaced);
			return sorted;
		});
	}

	#sleep(ms: number, isDemanded: boolean): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#wakeUp = (isUrgent) => {
				// The next scan does not shorten a wait that the server asked for.
				if (isDemanded && !isUrgent) return;
				clearTimeout(timer);
				resolve();
			};
		});
	}
}

/** What was to open a parent and was only looked up is not open: the server knows it as a child, or not at all. */
function ofOpening(result: ActionResult): ActionResult {
	const { act, outcome } = result;
	if (act.kind !== 'scan' || (outcome !== 'found' && outcome !== 'bag_not_found')) return result;
	if (act.sorting && act.shown_as) return { ...result, outcome: act.shown_as };
	const isLookup = isOpening(act) && act.open_before !== undefined && (outcome === 'found' || act.was_child);
	return isLookup ? { ...result, outcome: 'kind_mismatch' } : result;
}

/** A refusal that the person has not been shown when scanning. */
function isNews({ act, outcome }: ActionResult): boolean {
	return isRefusal(outcome) && !(act.kind === 'scan' && act.shown_as && !act.sorting);
}

/** The server knows a parent where the station saw a child. */
function isMistaken({ act, outcome }: ActionResult): boolean {
	return act.kind === 'scan' && act.parent_qr_code !== null && outcome === 'kind_mismatch';
}

/** Another scan into the same parent was answered after it: then it is too late to open another one for that. */
function isFollowed(act: QueuedAction, results: ActionResult[], at: number): boolean {
	const into = act.kind === 'scan' ? act.parent_qr_code : null;
	return results.slice(at + 1).some(({ act: later }) => later.kind === 'scan' && later.parent_qr_code === into);
}

function toRefusal({ act, outcome, elsewhere }: ActionResult): Refusal {
	return {
		id: act.id,
		user_id: act.user_id,
		act,
		outcome,
		elsewhere,
		refused_at: new Date().toISOString()
	};
}
