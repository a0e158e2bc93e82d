import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';
import { SIGNALS, type Tone } from './signals';

export type { Tone } from './signals';

/** What the API says of a scan, or of a bag that was put on a bill. */
type ServerOutcome = Schemas['ScanOutcome'] | Schemas['AddOutcome'];

/** What an act did that has no outcome of its own in the API. */
type ActionOutcome = 'moved' | 'completed' | 'reopened' | 'removed' | 'nothing_undone' | 'added_open';

/** What the station says by itself. */
type StationOutcome =
	| 'pending'
	| 'kept'
	| 'filled'
	| 'undoing'
	| 'label_unchecked'
	| 'no_parent_open'
	| 'not_kept'
	| 'not_taken'
	| 'unknown_command'
	| 'not_in_bill_mode';

/** Codes of problems that an act of the station can be refused with; see `docs/errors.md`. */
type ProblemOutcome =
	| 'scan_time_out_of_range'
	| 'undo_window_passed'
	| 'nothing_to_undo'
	| 'scan_superseded'
	| 'scan_not_found'
	| 'bill_not_found'
	| 'bill_completed'
	| 'forbidden'
	| 'invalid_scan_id'
	| 'scan_id_reused'
	| 'idempotency_key_reused'
	| 'invalid_idempotency_key'
	| 'validation_failed'
	| 'malformed_json'
	| 'method_not_allowed'
	| 'payload_too_large'
	| 'unsupported_media_type'
	| 'stale_version'
	| 'if_match_required';

export type Outcome = ServerOutcome | ActionOutcome | StationOutcome | ProblemOutcome;

/** In the person's language; `elsewhere`: the parent or bill that the bag is in. */
type Words = (elsewhere: string | null) => string;

/** How a result is shown. `onBillPage`: the words beside a list of bags, where fewer are enough. */
type Row = readonly [tone: Tone, words: Words, onBillPage?: Words];
/** The row of an outcome that the bill page shows has words for it. */
type BillRow = readonly [tone: Tone, words: Words, onBillPage: Words];
/** What the bill page shows of a bag. */
export type BillOutcome = Schemas['AddOutcome'] | 'pending' | 'not_taken';

const NOT_SAVED: Row = ['bad', () => m.not_kept()];

/**
 * Everything that can be shown, one row each: the type check finds a missing one. The tone decides colour, icon, sound
 * and vibration (`signals.ts`); the words are shown and spoken.
 */
export const OUTCOMES: Record<Exclude<Outcome, BillOutcome>, Row> & Record<BillOutcome, BillRow> = {
	pending: ['pending', () => m.outcome_pending(), () => m.bills_outcome_pending()],
	kept: ['kept', () => m.outcome_kept()],
	opened: ['ok', () => m.outcome_opened()],
	found: ['ok', (elsewhere) => (elsewhere ? m.outcome_found_in({ parent: elsewhere }) : m.outcome_found())],
	linked: ['ok', () => m.outcome_linked()],
	moved: ['ok', () => m.outcome_moved()],
	completed: ['ok', () => m.outcome_completed()],
	reopened: ['ok', () => m.outcome_reopened()],
	added: ['ok', () => m.outcome_added(), () => m.bills_outcome_added()],
	added_open: ['again', () => m.outcome_added()],
	already_linked: ['again', () => m.outcome_already_linked()],
	already_on_this_bill: ['again', () => m.outcome_already_on_this_bill(), () => m.bills_outcome_already_here()],
	undoing: ['again', () => m.outcome_undoing()],
	undone: ['again', () => m.outcome_undone()],
	nothing_undone: ['again', () => m.nothing_to_undo()],
	removed: ['again', () => m.outcome_removed()],
	// The last child that was accepted, and nothing else.
	filled: ['done', () => m.outcome_filled()],

	parent_full: ['warn', () => m.outcome_not_in_full()],
	parent_completed: ['warn', () => m.outcome_parent_completed()],
	parent_on_completed_bill: ['warn', () => m.outcome_parent_on_completed_bill()],
	linked_elsewhere: ['warn', (elsewhere) => m.outcome_linked_elsewhere({ parent: elsewhere ?? '?' })],
	other_dispatch_area: ['warn', () => m.outcome_other_dispatch_area()],
	no_parent_open: ['warn', () => m.outcome_no_parent_open()],
	empty_parent: ['warn', () => m.outcome_empty_parent(), () => m.bills_outcome_empty()],
	parent_open: ['warn', () => m.outcome_parent_open(), () => m.bills_outcome_open()],
	already_billed: [
		'warn',
		(elsewhere) => m.outcome_already_billed({ bill: elsewhere ?? '?' }),
		(bill) => m.bills_outcome_already_billed({ bill: bill ?? '?' })
	],
	bill_at_capacity: ['warn', () => m.outcome_bill_at_capacity(), () => m.bills_outcome_at_capacity()],
	bill_completed: ['warn', () => m.outcome_bill_completed()],
	scan_time_out_of_range: ['warn', () => m.outcome_scan_time()],
	undo_window_passed: ['warn', () => m.outcome_undo_late()],
	scan_superseded: ['warn', () => m.outcome_superseded()],
	label_unchecked: ['warn', () => m.outcome_label_unchecked()],

	looks_like_parent: ['bad', () => m.outcome_looks_like_parent()],
	product_barcode: ['bad', () => m.outcome_product_barcode()],
	kind_mismatch: ['bad', () => m.outcome_kind_mismatch(), () => m.bills_outcome_child()],
	unknown_parent: ['bad', () => m.outcome_unknown_parent()],
	bag_not_found: ['bad', () => m.outcome_bag_not_found()],
	not_found: ['bad', () => m.outcome_bag_not_found(), () => m.bills_outcome_not_found()],
	bill_not_found: ['bad', () => m.outcome_bill_not_found()],
	invalid_qr_code: ['bad', () => m.outcome_invalid_qr_code(), () => m.bills_outcome_no_code()],
	forbidden: ['bad', () => m.outcome_forbidden()],
	nothing_to_undo: ['bad', () => m.nothing_to_undo()],
	scan_not_found: ['bad', () => m.nothing_to_undo()],
	unknown_command: ['bad', () => m.unknown_command()],
	not_in_bill_mode: ['bad', () => m.not_in_bill_mode()],
	not_kept: NOT_SAVED,
	// The server refused the request, and not the bag: the reason is shown beside it.
	not_taken: ['bad', () => m.not_kept(), () => m.bills_outcome_not_taken()],
	invalid_scan_id: NOT_SAVED,
	scan_id_reused: NOT_SAVED,
	idempotency_key_reused: NOT_SAVED,
	invalid_idempotency_key: NOT_SAVED,
	validation_failed: NOT_SAVED,
	malformed_json: NOT_SAVED,
	method_not_allowed: NOT_SAVED,
	payload_too_large: NOT_SAVED,
	unsupported_media_type: NOT_SAVED,
	stale_version: NOT_SAVED,
	if_match_required: NOT_SAVED
};

/** A code that a newer server has is refused, in words that fit any. */
const UNKNOWN: Row = ['bad', () => m.outcome_refused()];

const rowOf = (outcome: string): Row => (Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome as Outcome] : UNKNOWN);

export function toneOf(outcome: string): Tone {
	return rowOf(outcome)[0];
}

/** The few words of an outcome in the person's language. */
export function wordsOf(outcome: string, elsewhere: string | null): string {
	return rowOf(outcome)[1](elsewhere);
}

/** The same on the page of a bill. */
export function wordsOnBillPage(outcome: BillOutcome, elsewhere: string | null): string {
	return OUTCOMES[outcome][2](elsewhere);
}

/** Whether the bill page has words for the outcome. */
export function isBillOutcome(outcome: string): outcome is BillOutcome {
	return rowOf(outcome)[2] !== undefined;
}

/** The same of a scan that somebody made some time ago, for lists. */
export function pastWordsOf(outcome: string, elsewhere: string | null): string {
	return outcome === 'parent_full' ? m.outcome_parent_full() : wordsOf(outcome, elsewhere);
}

/** The same in lists that don't know which other parent a bag was in at that time. */
export function outcomeWords(outcome: string): string {
	return outcome === 'linked_elsewhere' ? m.scans_in_another() : pastWordsOf(outcome, null);
}

/** Whether the outcome tells that something was not done. */
export function isRefused(outcome: string): boolean {
	return SIGNALS[toneOf(outcome)].isRefusal;
}
