import { api, type Schemas } from '$lib/api/client';
import { sentenceOf } from '$lib/api/errors';
import { serverNow, toInstant } from '$lib/clock';
import { uuidv7 } from '$lib/uuidv7';
import { give } from './feedback';
import { toneOf } from './outcome';
import { Sender, type Verdict } from './sender';
import { deviceStore, type QueuedScan } from './store';

type Bag = Schemas['Bag'];

/** One scan as the station shows it. */
export interface Entry {
	id: string;
	code: string;
	/** The parent it was scanned into; null for a parent. */
	into: string | null;
	/** `pending`, an outcome of the server, `completed` for the last child, or `undone`. */
	outcome: string;
	/** Where the bag is, when that is not where it was scanned into. */
	elsewhere: string | null;
	detail: string | null;
	at: number;
}

/** The parent that is being packed. */
export interface OpenParent {
	code: string;
	count: number;
	capacity: number;
	status: string;
	/** The server has confirmed it. */
	isKnown: boolean;
}

/** Decides only how a scan is shown and sent before the server has answered; the server has the last word. */
const PARENT = /^(SB\d{5,62}|M444-\d{5})$/;
const KEEP_ENTRIES = 60;
const DEFAULT_CAPACITY = 30;

/** The packer's station: every scan is kept on the device first, shown at once, and turns when the server answers. */
export class Station {
	parent = $state<OpenParent | null>(null);
	entries = $state<Entry[]>([]);
	/** The entry that the big panel shows. */
	latest = $state<Entry | null>(null);
	waiting = $state(0);
	isHeldUp = $state(false);
	isSignedOut = $state(false);
	message = $state<string | null>(null);
	withSound = $state(localStorage.getItem('traitortrack-sound') !== 'off');
	#sender: Sender;
	#online = () => this.#sender.wake();
	/** Scans are stored one after the other, so that their order on the device is their order in time. */
	#storing: Promise<void> = Promise.resolve();

	constructor(private readonly userId: number) {
		this.#sender = new Sender(userId, deviceStore, {
			settled: (verdict) => this.#settle(verdict),
			changed: (waiting, isHeldUp, isSignedOut) => {
				this.waiting = waiting;
				this.isHeldUp = isHeldUp;
				this.isSignedOut = isSignedOut;
			}
		});
		this.#recall();
		window.addEventListener('online', this.#online);
		this.#sender.wake();
	}

	stop(): void {
		window.removeEventListener('online', this.#online);
		this.#sender.stop();
	}

	/** Takes a code that was scanned or typed. */
	scan(scanned: string, source: 'wedge' | 'keypad'): void {
		const code = scanned.trim().toUpperCase();
		if (code === '') return;
		this.message = null;
		const isParent = PARENT.test(code);
		if (isParent && this.parent?.code !== code) {
			this.parent = { code, count: 0, capacity: DEFAULT_CAPACITY, status: 'open', isKnown: false };
			this.#remember();
		}
		const into = isParent ? null : (this.parent?.code ?? null);
		const id = uuidv7();
		const at = serverNow();
		this.#show({ id, code, into, outcome: 'pending', elsewhere: null, detail: null, at });
		const queued: QueuedScan = {
			id,
			user_id: this.userId,
			qr_code: code,
			scanned_at: toInstant(at),
			source
		};
		if (into) queued.parent_qr_code = into;
		this.waiting += 1;
		this.#storing = this.#storing.then(() => this.#store(queued));
	}

	async #store(scan: QueuedScan): Promise<void> {
		try {
			await deviceStore.add(scan);
			this.#sender.wake();
		} catch (error) {
			// The device has no room left. Better said than lost in silence.
			this.waiting -= 1;
			this.#update(scan.id, { outcome: 'refused', detail: String(error) });
			give('bad', this.withSound);
		}
	}

	/** Takes a linked scan back. */
	async undo(entry: Entry): Promise<void> {
		const { data, error } = await this.#try(
			api.POST('/api/v1/scans/{id}/undo', { params: { path: { id: entry.id } } })
		);
		if (!data) {
			this.#fail(error);
			return;
		}
		this.#update(entry.id, { outcome: 'undone' });
		if (data.parent) this.#learn(data.parent);
		give('again', this.withSound);
	}

	/** The newest scan that can be taken back. */
	get undoable(): Entry | null {
		return this.entries.find((entry) => entry.outcome === 'linked' || entry.outcome === 'completed') ?? null;
	}

	/** Brings a child that is elsewhere into the open parent. */
	async moveHere(entry: Entry): Promise<void> {
		if (!entry.into) return;
		const { data, error } = await this.#try(
			api.PUT('/api/v1/bags/{qr_code}/parent', {
				params: { path: { qr_code: entry.code } },
				body: { parent_qr_code: entry.into }
			})
		);
		if (!data) {
			this.#fail(error);
			return;
		}
		this.#update(entry.id, { outcome: 'linked', elsewhere: null });
		give('ok', this.withSound);
		await this.refreshParent();
	}

	/** Completes the parent early, or opens it again. */
	async setStatus(action: 'complete' | 'reopen'): Promise<void> {
		if (!this.parent) return;
		const path =
			action === 'complete' ? ('/api/v1/bags/{qr_code}/complete' as const) : ('/api/v1/bags/{qr_code}/reopen' as const);
		const { data, error } = await this.#try(api.POST(path, { params: { path: { qr_code: this.parent.code } } }));
		if (!data) {
			this.#fail(error);
			return;
		}
		this.#learn(data);
		give(action === 'complete' ? 'done' : 'ok', this.withSound);
	}

	async refreshParent(): Promise<void> {
		if (!this.parent) return;
		const { data } = await this.#try(
			api.GET('/api/v1/bags/{qr_code}', { params: { path: { qr_code: this.parent.code } } })
		);
		if (data) this.#learn(data);
	}

	toggleSound(): void {
		this.withSound = !this.withSound;
		localStorage.setItem('traitortrack-sound', this.withSound ? 'on' : 'off');
		if (this.withSound) give('ok', true);
	}

	async #try<T>(request: Promise<{ data?: T; error?: unknown }>): Promise<{ data?: T; error?: unknown }> {
		return request.catch((error: unknown) => ({ error }));
	}

	#fail(error: unknown): void {
		this.message = sentenceOf(error);
		give('bad', this.withSound);
	}

	#settle(verdict: Verdict): void {
		const parent = verdict.parent ?? (verdict.outcome === 'opened' ? verdict.bag : null);
		if (parent) this.#learn(parent);
		const completes = verdict.outcome === 'linked' && parent?.status === 'completed';
		const outcome = completes ? 'completed' : verdict.outcome;
		const elsewhere = verdict.linkedParent ?? (outcome === 'found' ? (verdict.bag?.parent ?? null) : null);
		this.#update(verdict.id, { outcome, elsewhere, detail: verdict.detail });
		if (
			verdict.outcome === 'other_dispatch_area' &&
			this.entries.find((entry) => entry.id === verdict.id)?.code === this.parent?.code
		) {
			this.parent = null;
			this.#remember();
		}
		give(toneOf(outcome), this.withSound);
	}

	/** Takes over what the server says of the open parent. */
	#learn(bag: Bag): void {
		if (this.parent?.code !== bag.qr_code) return;
		this.parent = {
			code: bag.qr_code,
			count: bag.child_count ?? 0,
			capacity: bag.capacity ?? DEFAULT_CAPACITY,
			status: bag.status ?? 'open',
			isKnown: true
		};
		this.#remember();
	}

	#show(entry: Entry): void {
		this.entries = [entry, ...this.entries].slice(0, KEEP_ENTRIES);
		this.latest = entry;
	}

	#update(id: string, change: Partial<Entry>): void {
		this.entries = this.entries.map((entry) => (entry.id === id ? { ...entry, ...change } : entry));
		const changed = this.entries.find((entry) => entry.id === id);
		// A refusal must be seen even when the next scan came before the answer.
		if (changed && (this.latest?.id === id || toneOf(changed.outcome) === 'bad' || toneOf(changed.outcome) === 'warn'))
			this.latest = changed;
	}

	get #key(): string {
		return `traitortrack-parent-${this.userId}`;
	}

	#remember(): void {
		if (this.parent) localStorage.setItem(this.#key, this.parent.code);
		else localStorage.removeItem(this.#key);
	}

	#recall(): void {
		const code = localStorage.getItem(this.#key);
		if (!code) return;
		this.parent = { code, count: 0, capacity: DEFAULT_CAPACITY, status: 'open', isKnown: false };
		void this.refreshParent();
	}
}
