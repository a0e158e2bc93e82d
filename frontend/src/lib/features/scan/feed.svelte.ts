import type { Act, Refusal } from '$lib/features/outbox/acts';
import { serverNow } from '$lib/clock';
import { toneOf } from './outcome';

/** One thing done at the station, as it is shown. */
export interface Entry {
	/** Of the act. */
	id: string;
	kind: Act['kind'];
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
}

const KEEP = 60;
/** An answer later than this comes to somebody who has gone on. */
const FRESH_MS = 10_000;

/** What was done at the station, newest first, and the one thing that the big panel shows. */
export class Feed {
	entries = $state.raw<Entry[]>([]);
	latest = $state.raw<Entry | null>(null);

	constructor(private readonly key: string) {}

	add(act: Act, outcome = 'pending'): Entry {
		const entry = entryOf(act, outcome);
		this.entries = [entry, ...this.entries].slice(0, KEEP);
		this.latest = entry;
		return entry;
	}

	find(id: string): Entry | undefined {
		return this.entries.find((entry) => entry.id === id);
	}

	update(id: string, change: Partial<Entry>): Entry | undefined {
		let changed: Entry | undefined;
		this.entries = this.entries.map((entry) => (entry.id === id ? (changed = { ...entry, ...change }) : entry));
		if (!changed) return undefined;
		const tone = toneOf(changed.outcome);
		// A refusal is seen even when the next scan came before its answer.
		const interrupts = isFresh(changed) && (tone === 'bad' || tone === 'warn');
		if (this.latest?.id === id || interrupts) this.latest = changed;
		this.#save();
		return changed;
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
	restore(queued: Act[]): void {
		const waiting = queued.filter((act) => act.kind !== 'undo' && act.kind !== 'bill_remove' && !this.find(act.id));
		const isUndone = ({ id, code }: Entry) =>
			queued.some((act) =>
				act.kind === 'undo' ? act.scan_id === id : act.kind === 'bill_remove' && act.qr_code === code
			);
		const older = [...this.#load(), ...waiting.map((act) => entryOf(act, 'pending'))]
			.map((entry) => ({ ...entry, isUndoing: isUndone(entry) }))
			.sort((a, b) => b.at - a.at);
		this.entries = [...this.entries, ...older].slice(0, KEEP);
	}

	#load(): Entry[] {
		try {
			return JSON.parse(localStorage.getItem(this.key) ?? '[]') as Entry[];
		} catch {
			return [];
		}
	}

	#save(): void {
		// What is pending comes from the queue itself.
		const settled = this.entries.filter((entry) => entry.outcome !== 'pending');
		try {
			localStorage.setItem(this.key, JSON.stringify(settled.slice(0, KEEP / 2)));
		} catch {
			// No room: the list begins anew after a reload, and nothing else is lost.
		}
	}
}

export function isFresh(entry: Entry): boolean {
	return serverNow() - entry.at < FRESH_MS;
}

function entryOf(act: Act, outcome: string): Entry {
	const into = 'bill_number' in act ? act.bill_number : 'parent_qr_code' in act ? act.parent_qr_code : null;
	return {
		id: act.id,
		kind: act.kind,
		code: act.qr_code,
		into,
		outcome,
		elsewhere: null,
		warning: null,
		count: null,
		at: Date.parse(act.at),
		isUndoing: false
	};
}

/** A refusal as the list of things to settle shows it. */
export function entryOfRefusal({ act, outcome, elsewhere }: Refusal): Entry {
	return { ...entryOf(act, outcome), elsewhere };
}
