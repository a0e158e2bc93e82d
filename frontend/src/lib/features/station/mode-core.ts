import type { QueuedAction, NewAction } from '$lib/features/outbox/actions';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';
import { entryOf, isFresh, localEntry, type Entry, type Feed } from './feed.svelte';
import { playTone, speak } from './feedback';
import { toneOfEntry, wordsOfEntry } from './entry-words';

/** Outcomes after which the number is spoken, which says more than words. */
const COUNTED = new Set(['linked', 'added']);

/** What both ways of working share: how acts are kept, shown, said and taken back. */
export class ModeCore {
	constructor(
		readonly outbox: Outbox,
		readonly feed: Feed
	) {}

	/** Nothing can be sent now, as far as the device knows. */
	get isBlocked(): boolean {
		return this.outbox.blockedReason !== null || !navigator.onLine;
	}

	/** Keeps an act and shows it. `acknowledge` runs when it is safe on the device and can't be sent yet. */
	do(what: NewAction, change: Partial<Entry>, acknowledge: (entry: Entry) => void): Entry {
		const { act, kept } = this.outbox.add(what);
		const entry = this.feed.add(act, change);
		void kept.then((isKept) => {
			if (!isKept) this.announce(this.feed.update(act.id, { outcome: 'not_kept' }) ?? entry);
			else if (this.isBlocked) acknowledge(entry);
		});
		return entry;
	}

	/** Refuses a scan without the server. */
	refuse(code: string, into: string | null, outcome: string): void {
		this.announce(this.feed.addRefused(code, into, outcome));
	}

	/** Refuses something that is no scan: a command. */
	refuseCommand(code: string, outcome: string): void {
		this.announce(this.feed.show(localEntry('scan', code, null, outcome)));
	}

	/** Plays, shakes and says what an entry shows. */
	announce(entry: Entry): void {
		playTone(toneOfEntry(entry));
		speak(COUNTED.has(entry.outcome) && entry.count !== null ? String(entry.count) : wordsOfEntry(entry));
	}

	/** Takes a scan back, with `reversal` where it may have reached the server. */
	undo(entry: Entry, reversal: NewAction, withdrawn: (act: QueuedAction) => void): void {
		this.feed.update(entry.id, { isUndoing: true });
		const { act, fate } = this.outbox.cancelOrReverse(entry.id, reversal);
		this.feed.show(entryOf(act, 'undoing'));
		void fate.then((fate) => {
			if (fate === 'withdrawn') withdrawn(act);
			if (fate === 'lost') this.resolveUndo(act, [entry.id], 'not_kept', { isUndoing: false });
		});
	}

	/** What came of an undo: the scans are as they are now, and the panel says it. */
	resolveUndo(act: QueuedAction, undone: string[], outcome: string, change: Partial<Entry>): void {
		for (const id of undone) this.feed.update(id, change);
		const entry = this.feed.updateShown(act, outcome);
		if (entry && isFresh(entry)) this.announce(entry);
	}

	/** Shows what came of an act. Returns its entry when that is news to somebody who still looks. */
	resolve(id: string, change: Partial<Entry>): Entry | undefined {
		const before = this.feed.find(id)?.outcome;
		const entry = this.feed.update(id, change);
		if (entry && isFresh(entry) && entry.outcome !== before) this.announce(entry);
		return entry;
	}
}
