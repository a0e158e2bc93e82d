import { m } from '$lib/paraglide/messages.js';
import type { Entry } from './feed.svelte';

/** How an outcome looks, sounds and feels. Colour is never the only sign: each tone has its own shape. */
export type Tone = 'pending' | 'kept' | 'ok' | 'again' | 'warn' | 'bad' | 'done';

const TONES: Record<string, Tone> = {
	pending: 'pending',
	kept: 'kept',
	opened: 'ok',
	found: 'ok',
	linked: 'ok',
	moved: 'ok',
	added: 'ok',
	reopened: 'ok',
	already_linked: 'again',
	already_on_this_bill: 'again',
	undoing: 'again',
	undone: 'again',
	nothing_undone: 'again',
	removed: 'again',
	filled: 'done',
	completed: 'done',
	parent_full: 'done',
	parent_completed: 'warn',
	linked_elsewhere: 'warn',
	other_dispatch_area: 'warn',
	parent_on_completed_bill: 'warn',
	already_billed: 'warn',
	bill_at_capacity: 'warn',
	bill_completed: 'warn',
	empty_parent: 'warn',
	parent_open: 'warn',
	scan_time_out_of_range: 'warn'
};

export function toneOf(outcome: string): Tone {
	return TONES[outcome] ?? 'bad';
}

type Words = (elsewhere: string | null) => string;

const WORDS: Record<string, Words> = {
	pending: () => m.outcome_pending(),
	kept: () => m.outcome_kept(),
	not_kept: () => m.not_kept(),
	opened: () => m.outcome_opened(),
	found: (elsewhere) => (elsewhere ? m.outcome_found_in({ parent: elsewhere }) : m.outcome_found()),
	linked: () => m.outcome_linked(),
	moved: () => m.outcome_moved(),
	already_linked: () => m.outcome_already_linked(),
	undoing: () => m.outcome_undoing(),
	undone: () => m.outcome_undone(),
	nothing_undone: () => m.nothing_to_undo(),
	filled: () => m.outcome_filled(),
	completed: () => m.outcome_completed(),
	reopened: () => m.outcome_reopened(),
	linked_elsewhere: (elsewhere) => m.outcome_linked_elsewhere({ parent: elsewhere ?? '?' }),
	parent_full: () => m.outcome_parent_full(),
	parent_completed: () => m.outcome_parent_completed(),
	parent_on_completed_bill: () => m.outcome_parent_on_completed_bill(),
	kind_mismatch: () => m.outcome_kind_mismatch(),
	other_dispatch_area: () => m.outcome_other_dispatch_area(),
	unknown_parent: () => m.outcome_unknown_parent(),
	bag_not_found: () => m.outcome_bag_not_found(),
	not_found: () => m.outcome_bag_not_found(),
	looks_like_parent: () => m.outcome_looks_like_parent(),
	product_barcode: () => m.outcome_product_barcode(),
	invalid_qr_code: () => m.outcome_invalid_qr_code(),
	scan_time_out_of_range: () => m.outcome_scan_time(),
	undo_window_passed: () => m.outcome_undo_late(),
	scan_superseded: () => m.outcome_superseded(),
	added: () => m.outcome_added(),
	removed: () => m.outcome_removed(),
	already_on_this_bill: () => m.outcome_already_on_this_bill(),
	already_billed: (elsewhere) => m.outcome_already_billed({ bill: elsewhere ?? '?' }),
	bill_at_capacity: () => m.outcome_bill_at_capacity(),
	bill_completed: () => m.outcome_bill_completed(),
	bill_not_found: () => m.outcome_bill_not_found(),
	empty_parent: () => m.outcome_empty_parent(),
	parent_open: () => m.outcome_parent_open(),
	forbidden: () => m.outcome_forbidden()
};

/** The few words of an outcome in the person's language. */
export function wordsOf(outcome: string, elsewhere: string | null): string {
	return (WORDS[outcome] ?? (() => m.outcome_refused()))(elsewhere);
}

/** An entry as it is to be shown: on its way is "kept" as long as nothing can be sent. */
export function shown(entry: Entry, isHeldUp: boolean): Entry {
	if (entry.isUndoing) return { ...entry, outcome: 'undoing' };
	return entry.outcome === 'pending' && isHeldUp ? { ...entry, outcome: 'kept' } : entry;
}
