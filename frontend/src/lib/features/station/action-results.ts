import type { CodeVerdict } from '$lib/bag-formats/formats';
import type { ShownRefusal, ActionResult } from '$lib/features/outbox/actions';
import type { Entry } from './feed.svelte';
import { isInParent } from './parent';

/** The outcome that is shown for an answer of the server. */
export function outcomeOf({ act, outcome, parent }: ActionResult): string {
	if (act.kind === 'scan' && act.shown_as) return outcomeOfShown(act.shown_as, outcome);
	return outcome === 'linked' && parent?.status === 'completed' ? 'filled' : outcome;
}

/** What was shown as refused stays so, unless the server has done something, or knows a better reason. */
function outcomeOfShown(shownAs: ShownRefusal, outcome: string): string {
	if (outcome === 'found' || outcome === 'kind_mismatch') return shownAs;
	return outcome === 'bag_not_found' && shownAs === 'no_parent_open' ? shownAs : outcome;
}

/** The outcome of an undo. "Nothing to undo" is as good as done, unless the child is in the parent all the same. */
export function outcomeOfUndo(outcome: string, undone: Entry | undefined): string {
	const isStillIn = undone !== undefined && isInParent(undone.outcome);
	return outcome === 'nothing_undone' && isStillIn ? 'nothing_to_undo' : outcome;
}

/** What an undo leaves of the scan that it was to undo. */
export function afterUndo(outcome: string): Partial<Entry> {
	// Elsewhere by now: it is neither here nor undone.
	if (outcome === 'undone' || outcome === 'scan_superseded') return { outcome, isUndoing: false };
	return { isUndoing: false };
}

/** Why the station does not take a code for a child of the open parent; null when it does. */
export function shownRefusalOf(verdict: CodeVerdict, hasParent: boolean): ShownRefusal | null {
	switch (verdict) {
		case 'looks_like_parent':
		case 'product_barcode':
			return verdict;
		case 'undetermined':
			return 'label_unchecked';
		default:
			return hasParent ? null : 'no_parent_open';
	}
}
