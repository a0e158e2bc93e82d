import type { CodeVerdict } from '$lib/bag-formats/formats';
import type { ActionResult } from '$lib/features/outbox/actions';
import type { Entry } from './feed.svelte';
import { isRefused } from '$lib/outcomes/outcome';
import { outcomeOf } from './action-results';

/** Why a code can't be that of a parent for a bill; null when it can. */
export function billRefusalOf(verdict: CodeVerdict): string | null {
	if (verdict === 'child') return 'kind_mismatch';
	return verdict === 'parent' || verdict === 'undetermined' ? null : verdict;
}

/** The same of the server's answer: that no bag has a code says less than why none can. */
export function billOutcomeOf(result: ActionResult, local: CodeVerdict): string {
	const outcome = outcomeOf(result);
	const isNearMiss = local === 'looks_like_parent' || local === 'product_barcode';
	return outcome === 'not_found' && isNearMiss ? local : outcome;
}

/** Parents on a bill: confirmed, and those on their way on or off; a bag counts once. */
export function shownOnBill(confirmed: number, entries: Entry[]): number {
	const isOn = ({ outcome }: Entry) => ['added', 'already_on_this_bill'].includes(outcome);
	const on = new Set(entries.filter(isOn).map(({ code }) => code));
	const coming = entries.filter(({ outcome, isUndoing, code }) => outcome === 'pending' && !isUndoing && !on.has(code));
	const leaving = new Set(entries.filter((entry) => entry.isUndoing && isOn(entry)).map(({ code }) => code));
	return Math.max(0, confirmed + new Set(coming.map(({ code }) => code)).size - leaving.size);
}

/** Whether the bag was put on the bill at this station, as far as it knows. */
export function isOnBill(code: string, entries: Entry[]): boolean {
	const entry = entries.find((one) => one.code === code && !isRefused(one.outcome));
	return entry !== undefined && entry.outcome !== 'removed' && !entry.isUndoing;
}
