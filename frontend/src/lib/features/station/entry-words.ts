import { isRefused, toneOf, wordsOf, type Tone } from '$lib/outcomes/outcome';
import { m } from '$lib/paraglide/messages.js';
import type { Entry } from './feed.svelte';

/** The tone of an entry: something to know about a bag that was added is heard. */
export function toneOfEntry({ outcome, warning }: Pick<Entry, 'outcome' | 'warning'>): Tone {
	return toneOf(outcome === 'added' && warning ? 'added_open' : outcome);
}

/** What an entry says: that an undo was refused is said with the reason. */
export function wordsOfEntry({ kind, outcome, elsewhere }: Entry): string {
	const words = wordsOf(outcome, elsewhere);
	const isUndo = kind === 'undo' || kind === 'bill_remove';
	return isUndo && isRefused(outcome) ? m.outcome_not_undone({ reason: words }) : words;
}

/** An entry as it is to be shown: on its way is "kept" as long as nothing can be sent. */
export function shown(entry: Entry, isBlocked: boolean): Entry {
	if (entry.isUndoing) return { ...entry, outcome: 'undoing' };
	if (!isBlocked || entry.outcome !== 'pending') return entry;
	return { ...entry, outcome: entry.fills ? 'filled' : 'kept' };
}
