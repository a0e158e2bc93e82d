import type { Schemas } from '$lib/api/client';
import { toneOf as stationToneOf, type Tone } from '$lib/outcomes/outcome';
import { m } from '$lib/paraglide/messages.js';

/** What came of a code: the server's outcome, or that it is not known yet, or that the whole batch was refused. */
export type Outcome = Schemas['AddOutcome'] | 'pending' | 'not_taken';

/** How an outcome looks and sounds: as at the station. */
export function toneOf(outcome: Outcome): Tone {
	return outcome === 'not_taken' ? 'bad' : stationToneOf(outcome);
}

const WORDS: Record<Exclude<Outcome, 'already_billed'>, () => string> = {
	pending: m.bills_outcome_pending,
	added: m.bills_outcome_added,
	already_on_this_bill: m.bills_outcome_already_here,
	bill_at_capacity: m.bills_outcome_at_capacity,
	empty_parent: m.bills_outcome_empty,
	parent_open: m.bills_outcome_open,
	not_found: m.bills_outcome_not_found,
	kind_mismatch: m.bills_outcome_child,
	invalid_qr_code: m.bills_outcome_no_code,
	not_taken: m.bills_outcome_not_taken
};

/** The few words of an outcome in the person's language. */
export function wordsOf(outcome: Outcome, otherBill: string | null): string {
	if (outcome === 'already_billed') return m.bills_outcome_already_billed({ bill: otherBill ?? '?' });
	return WORDS[outcome]();
}

/** Whether the server has decided about the bag itself, and not refused the whole request. */
export function isAddOutcome(outcome: string): outcome is Schemas['AddOutcome'] {
	return outcome !== 'pending' && outcome !== 'not_taken' && (outcome === 'already_billed' || outcome in WORDS);
}

/** Whether the bag did not get on the bill. */
export function isRefused(outcome: Outcome): boolean {
	return !['pending', 'added', 'already_on_this_bill'].includes(outcome);
}
