import type { QueuedAction, Refusal } from '$lib/features/outbox/actions';
import { serverNow } from '$lib/clock';
import { uuidv7 } from '$lib/uuidv7';
import { isRefused } from '$lib/outcomes/outcome';
import { trimmed } from './trim';

/** One thing done at the station, as it is shown. */
export interface Entry {
	/** Of the act. */
	id: string;
	kind: QueuedAction['kind'];
	code: string;
	/** The parent it was scanned into, or the bill it was put on; null for a parent that was opened. */
	into: string | null;
	/** `pending`, or what came of it; see `outcome.ts`. */
	outcome: string;
	/** Where the bag is, when that is not where it was scanned into. */
	elsewhere: string | null;
	warning: string | null;
	/** How many the parent or bill held right after it. */
	count: number | null;
	at: number;
	/** It is being taken back. */
	isUndoing: boolean;
	/** Of a parent: what was open before. */
	before: string | null;
	/** The last child that fits, as far as the station knows. */
	fills: boolean;
	/** No formats were known when it was scanned: what it is is not known yet. */
	isUnsorted: boolean;
}

/** As many are kept over a reload, and more of the open parent. */
const STORED = 30;
const MOST_STORED = 200;
/** An answer later than this comes to somebody who has gone on. */
const FRESH_MS = 10_000;

/** What was done at the station, newest first, and the one thing that the big panel shows. */
export class Feed {
	entries = $state.raw<Entry[]>([]);
	latest = $state.raw<Entry | null>(null);

	#isRestored = false;

	constructor(private readonly key: string) {}

	add(act: QueuedAction, change: Partial<Entry> = {}): Entry {
		const entry = { ...entryOf(act, 'pending'), ...change };
		return this.#put(entry);
	}

	/** Adds a scan that the station has refused by itself. */
	addRefused(code: string, into: string | null, outcome: string): Entry {
		return this.#put(localEntry('scan', code, into, outcome));
	}

	/** Shows something in the panel that is no scan: an undo, or a command that was refused. */
	show(entry: Entry): Entry {
		this.latest = entry;
		return entry;
	}

	#put(entry: Entry): Entry {
		this.entries = trimmed([entry, ...this.entries]);
		this.latest = entry;
		this.#save();
		return entry;
	}

	find(id: string): Entry | undefined {
		return this.entries.find((entry) => entry.id === id);
	}

	update(id: string, change: Partial<Entry>): Entry | undefined {
		const before = this.find(id);
		if (!before) return undefined;
		const changed = { ...before, ...change };
		this.entries = this.entries.map((entry) => (entry === before ? changed : entry));
		const isNews = changed.outcome !== before.outcome;
		if (this.latest?.id === id || (isNews && interrupts(changed))) this.latest = changed;
		this.#save();
		return changed;
	}

	/** What came of an undo: shown where it is before somebody's eyes, or a refusal that just came. */
	updateShown(act: QueuedAction, outcome: string): Entry | undefined {
		const isShown = this.latest?.id === act.id;
		const entry = entryOf(act, outcome);
		if (!isShown && !interrupts(entry)) return undefined;
		this.latest = entry;
		return entry;
	}

	/** Another act stands in the queue for this entry. */
	replace(id: string, act: QueuedAction): void {
		const before = this.find(id);
		if (!before) return;
		const after = { ...entryOf(act, shownOutcome(act)), isUndoing: before.isUndoing };
		this.entries = this.entries.map((entry) => (entry === before ? after : entry));
		if (this.latest?.id === id) this.latest = after;
		this.#save();
	}

	/** The panel asks for the next thing. */
	clear(): void {
		this.latest = null;
	}

	/** Whether a person looks at what became of this act. */
	sees(id: string): boolean {
		const isShown = this.latest?.id === id && document.visibilityState === 'visible';
		return isShown && isFresh(this.latest as Entry);
	}

	/** Takes up what was shown before the page was loaded, and what waits in the queue. */
	restore(queued: QueuedAction[]): void {
		const loaded = this.#load();
		const isHere = (id: string) => [...this.entries, ...loaded].some((entry) => entry.id === id);
		const waiting = queued.filter((act) => act.kind !== 'undo' && act.kind !== 'bill_remove' && !isHere(act.id));
		const isUndone = ({ id, code }: Entry) =>
			queued.some((act) =>
				act.kind === 'undo' ? act.scan_id === id : act.kind === 'bill_remove' && act.qr_code === code
			);
		const older = [...loaded, ...waiting.map((act) => entryOf(act, shownOutcome(act)))]
			.map((entry) => ({ ...entry, isUndoing: isUndone(entry) }))
			.sort((a, b) => b.at - a.at);
		this.entries = trimmed([...this.entries, ...older]);
		this.#isRestored = true;
		this.#save();
	}

	#load(): Entry[] {
		try {
			return JSON.parse(localStorage.getItem(this.key) ?? '[]') as Entry[];
		} catch {
			return [];
		}
	}

	#save(): void {
		// What was stored is not replaced before it has been read.
		if (!this.#isRestored) return;
		// What is pending comes from the queue itself.
		const settled = this.entries.filter((entry) => entry.outcome !== 'pending');
		try {
			localStorage.setItem(this.key, JSON.stringify(trimmed(settled, STORED).slice(0, MOST_STORED)));
		} catch {
			// No room: the list begins anew after a reload, and nothing else is lost.
		}
	}
}

export function isFresh(entry: Entry): boolean {
	return serverNow() - entry.at < FRESH_MS;
}

/** A refusal is seen even when the next scan came before its answer. */
function interrupts(entry: Entry): boolean {
	return isFresh(entry) && isRefused(entry.outcome);
}

function shownOutcome(act: QueuedAction): string {
	return (act.kind === 'scan' && act.shown_as) || 'pending';
}

export function entryOf(act: QueuedAction, outcome: string): Entry {
	const into = 'bill_number' in act ? act.bill_number : 'parent_qr_code' in act ? act.parent_qr_code : null;
	const before = (act.kind === 'scan' && act.open_before) || null;
	const isUnsorted = act.kind === 'scan' && act.sorting === 'due';
	return {
		...localEntry(act.kind, act.qr_code, into, outcome),
		id: act.id,
		at: Date.parse(act.at),
		before,
		isUnsorted
	};
}

/** Something that happens at the station and has no act. */
export function localEntry(kind: QueuedAction['kind'], code: string, into: string | null, outcome: string): Entry {
	return {
		id: uuidv7(),
		kind,
		code,
		into,
		outcome,
		elsewhere: null,
		warning: null,
		count: null,
		at: serverNow(),
		isUndoing: false,
		before: null,
		fills: false,
		isUnsorted: false
	};
}

/** A refusal as the list of things to settle shows it. */
export function entryOfRefusal({ act, outcome, elsewhere }: Refusal): Entry {
	return { ...entryOf(act, outcome), elsewhere };
}
