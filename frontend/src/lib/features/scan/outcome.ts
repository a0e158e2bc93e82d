import { m } from '$lib/paraglide/messages.js';

/** How an outcome looks, sounds and feels. Colour is never the only sign: each tone has its own shape. */
export type Tone = 'pending' | 'ok' | 'again' | 'warn' | 'bad' | 'done';

const TONES: Record<string, Tone> = {
	pending: 'pending',
	opened: 'ok',
	found: 'ok',
	linked: 'ok',
	already_linked: 'again',
	undone: 'again',
	completed: 'done',
	parent_full: 'done',
	parent_completed: 'warn',
	linked_elsewhere: 'warn',
	other_dispatch_area: 'warn',
	parent_on_completed_bill: 'warn'
};

export function toneOf(outcome: string): Tone {
	return TONES[outcome] ?? 'bad';
}

/** The few words of an outcome in the person's language. */
export function wordsOf(outcome: string, parent: string | null): string {
	switch (outcome) {
		case 'pending':
			return m.outcome_pending();
		case 'opened':
			return m.outcome_opened();
		case 'found':
			return parent ? m.outcome_found_in({ parent }) : m.outcome_found();
		case 'linked':
			return m.outcome_linked();
		case 'already_linked':
			return m.outcome_already_linked();
		case 'undone':
			return m.outcome_undone();
		case 'completed':
			return m.outcome_completed();
		case 'linked_elsewhere':
			return m.outcome_linked_elsewhere({ parent: parent ?? '?' });
		case 'parent_full':
			return m.outcome_parent_full();
		case 'parent_completed':
			return m.outcome_parent_completed();
		case 'parent_on_completed_bill':
			return m.outcome_parent_on_completed_bill();
		case 'kind_mismatch':
			return m.outcome_kind_mismatch();
		case 'other_dispatch_area':
			return m.outcome_other_dispatch_area();
		case 'unknown_parent':
			return m.outcome_unknown_parent();
		case 'bag_not_found':
			return m.outcome_bag_not_found();
		case 'invalid_qr_code':
			return m.outcome_invalid_qr_code();
		default:
			return m.outcome_refused();
	}
}
