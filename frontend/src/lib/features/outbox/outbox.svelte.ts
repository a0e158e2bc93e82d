import { apiBase, isApiElsewhere } from '$lib/api/address';
import { noteServerDate, serverNow, toInstant } from '$lib/clock';
import { session } from '$lib/session.svelte';
import { uuidv7 } from '$lib/uuidv7';
import { knownFormats } from '$lib/bag-formats/known-formats';
import { isRefusal, type QueuedAction, type NewAction, type Refusal, type ActionResult } from './actions';
import { deviceStore } from './device-store';
import { aloneSending, NEWS_CHANNEL, SYNC_TAG } from './locks';
import { memoryStore } from './memory-store';
import { RetryLater, Sender, type BlockedReason } from './sender';
import type { Replaced } from './sort-again';
import type { ActionStore } from './store';
import { httpFormats, httpTransport } from './transport';
import { unsentScans } from '$lib/unsent-scans.svelte';

/** What pages tell each other. */
export type News = { result: ActionResult } | { replaced: Replaced[] } | { changed: true };

/** A screen that shows what becomes of acts. */
export interface Watcher {
	/** Whether a person has the answer to this act before their eyes. */
	sees(result: ActionResult): boolean;
	resolved(result: ActionResult): void;
	/** What waits was sorted again with newer formats. */
	replaced?(replaced: Replaced[]): void;
}

/** The acts of one person on this device: kept first, then sent from whatever page is open. */
export class Outbox {
	blockedReason = $state<BlockedReason | null>(null);
	/** Set when the browser keeps nothing, or has no room: what is scanned now is lost with the page. */
	isBroken = $state(false);
	refusals = $state.raw<Refusal[]>([]);
	#store: ActionStore = deviceStore;
	#loadFormats: ReturnType<typeof httpFormats>;
	#sender: Sender;
	#watcher: Watcher | null = null;
	#news = new BroadcastChannel(NEWS_CHANNEL);
	/** Acts are stored one after the other, so that their order on the device is their order in time. */
	#storing: Promise<unknown> = Promise.resolve();
	#isCounting = false;
	#mustRecount = false;
	#online = () => this.#sender.wake(true);

	constructor(
		readonly userId: number,
		private readonly username: string
	) {
		this.#loadFormats = httpFormats(authTransportOf(userId));
		this.#sender = this.#newSender();
		this.#news.onmessage = ({ data }: MessageEvent<News>) => {
			if ('result' in data && data.result.act.user_id === userId) void this.#hear(data.result);
			else if ('replaced' in data)
				this.#watcher?.replaced?.(data.replaced.filter(({ after }) => after.user_id === userId));
			// Whoever did something may be gone before it is sent: every open page sees to it.
			else this.#sender.wake();
			void this.#count();
		};
		window.addEventListener('online', this.#online);
		void this.#begin();
	}

	/** There is one screen at a time that watches. */
	watch(watcher: Watcher | null): void {
		this.#watcher = watcher;
	}

	/** What is still to be answered, oldest first. */
	async list(): Promise<QueuedAction[]> {
		await this.#storing;
		return this.#store.list(this.userId).catch(() => []);
	}

	/** Refusals that wait for a decision, oldest first. */
	async listRefusals(): Promise<Refusal[]> {
		return this.#store.refusals(this.userId).catch(() => []);
	}

	/** Keeps an act and sends it as soon as it may go. Returns it at once, with when it is safe on the device. */
	add(what: NewAction): { act: QueuedAction; kept: Promise<boolean> } {
		const act = this.#own(what);
		unsentScans.saving += 1;
		unsentScans.mine += 1;
		return { act, kept: this.#next(() => this.#keep(act)) };
	}

	/**
	 * Takes an act back. One that was never sent leaves the queue, as if it had never been; otherwise `reversal` is
	 * queued behind it. Either way nothing that is done later comes before it.
	 */
	cancelOrReverse(
		id: string,
		reversal: NewAction
	): { act: QueuedAction; fate: Promise<'withdrawn' | 'queued' | 'lost'> } {
		const act = this.#own(reversal);
		unsentScans.saving += 1;
		unsentScans.mine += 1;
		const fate = this.#next(async () => {
			if (!(await this.#store.withdraw(id).catch(() => false))) return (await this.#keep(act)) ? 'queued' : 'lost';
			unsentScans.saving -= 1;
			void this.#count();
			this.#tell({ changed: true });
			return 'withdrawn';
		});
		return { act, fate };
	}

	/** Asks the server for the bag formats. Without an answer, what was known stays. */
	async refreshFormats(): Promise<void> {
		await this.#freshFormats(0).catch(() => undefined);
	}

	/** The refusal was dealt with. */
	async drop(refusal: Refusal): Promise<void> {
		await this.#store.dropRefusal(refusal.id);
		await this.#count();
		this.#tell({ changed: true });
	}

	/** Something that held the queue up is over. */
	wake(): void {
		this.#sender.wake(true);
	}

	stop(): void {
		window.removeEventListener('online', this.#online);
		this.#sender.stop();
		this.#watcher = null;
		this.#news.close();
		unsentScans.mine = 0;
		unsentScans.needsAttention = 0;
	}

	async #begin(): Promise<void> {
		try {
			await this.#store.waiting();
		} catch {
			// No database in this browser. Scanning works as long as the page is open, and the page says so.
			this.#store = memoryStore();
			this.#sender.stop();
			this.#sender = this.#newSender();
			this.isBroken = true;
		}
		await this.#count();
		this.#sender.wake();
		// Asks the browser to keep the data when it gets short of space.
		void navigator.storage?.persist?.().catch(() => false);
	}

	#own(what: NewAction): QueuedAction {
		const at = toInstant(serverNow());
		return { ...what, id: uuidv7(), user_id: this.userId, username: this.username, at };
	}

	#newSender(): Sender {
		const events = {
			sees: (result: ActionResult) => this.#watcher?.sees(result) ?? false,
			resolved: (result: ActionResult) => {
				this.#watcher?.resolved(result);
				this.#tell({ result });
			},
			replaced: (replaced: Replaced[]) => {
				this.#watcher?.replaced?.(replaced);
				this.#tell({ replaced });
			},
			changed: (blockedReason: BlockedReason | null) => {
				this.blockedReason = blockedReason;
				// What was shown as refused stays so: the server is not asked about it later.
				if (blockedReason !== null) void this.#store.withdrawShown(this.userId).catch(() => undefined);
				void this.#count();
			}
		};
		const transport = httpTransport(authTransportOf(this.userId));
		// What was scanned before is stored before anything is sorted.
		const store: ActionStore = { ...this.#store, replace: (...args) => this.#next(() => this.#store.replace(...args)) };
		return new Sender(this.userId, store, events, transport, aloneSending, (age) => this.#freshFormats(age));
	}

	#freshFormats(maxAgeMs: number) {
		return knownFormats.fresh(maxAgeMs, this.#loadFormats);
	}

	#next<T>(work: () => Promise<T>): Promise<T> {
		const turn = this.#storing.then(work);
		this.#storing = turn.catch(() => undefined);
		return turn;
	}

	async #keep(act: QueuedAction): Promise<boolean> {
		let isKept = true;
		try {
			await this.#store.add(act);
		} catch {
			isKept = false;
			this.isBroken = true;
		}
		unsentScans.saving -= 1;
		void this.#count();
		if (!isKept) return false;
		this.#sender.wake();
		this.#tell({ changed: true });
		if (this.blockedReason !== null) void askForSync();
		return true;
	}

	/** An answer that another page or the service worker has got. What is seen here needs no settling. */
	async #hear(result: ActionResult): Promise<void> {
		const isSeen = isRefusal(result.outcome) && this.#watcher?.sees(result);
		this.#watcher?.resolved(result);
		if (!isSeen) return;
		await this.#store.dropRefusal(result.act.id);
		await this.#count();
	}

	/** Counts again; asked for while it counts, once more after that. */
	async #count(): Promise<void> {
		this.#mustRecount = true;
		if (this.#isCounting) return;
		this.#isCounting = true;
		while (this.#mustRecount) {
			this.#mustRecount = false;
			const waiting = await this.#store.waiting().catch(() => []);
			const stored = waiting.find((person) => person.user_id === this.userId)?.count ?? 0;
			unsentScans.mine = stored + unsentScans.saving;
			unsentScans.others = waiting.filter((person) => person.user_id !== this.userId);
			this.refusals = await this.#store.refusals(this.userId).catch(() => []);
			unsentScans.needsAttention = this.refusals.length;
		}
		this.#isCounting = false;
	}

	#tell(news: News): void {
		this.#news.postMessage(news);
	}
}

let current: Outbox | null = null;

/** Starts sending what this person has done on this device, or goes on with it. Call it from every page of the app. */
export function startOutbox(user: { id: number; username: string }): Outbox {
	if (current?.userId === user.id) {
		current.wake();
		return current;
	}
	current?.stop();
	current = new Outbox(user.id, user.username);
	return current;
}

/** The page's own session carries the acts, and only those of the person who is signed in. */
function authTransportOf(userId: number) {
	const token = async (renewFirst: boolean): Promise<string> => {
		const known = renewFirst ? null : session.tokenOf(userId);
		if (known) return known;
		if (session.user?.id !== userId || session.status === 'expired') throw new RetryLater('signed_out');
		await session.renew();
		const renewed = session.tokenOf(userId);
		if (renewed) return renewed;
		throw new RetryLater(session.status === 'offline' ? 'offline' : 'signed_out');
	};
	return {
		baseUrl: apiBase,
		credentials: (isApiElsewhere ? 'include' : 'same-origin') as RequestCredentials,
		token: () => token(false),
		renew: () => token(true),
		noteDate: (header: string | null) => noteServerDate(header)
	};
}

/** Has the browser send the queue when the network is back, even if no page is open then. Chromium can. */
async function askForSync(): Promise<void> {
	try {
		const registration = await navigator.serviceWorker?.ready;
		await (registration as { sync?: { register(tag: string): Promise<void> } } | undefined)?.sync?.register(SYNC_TAG);
	} catch {
		// Not allowed or not known here: the next open page sends.
	}
}
