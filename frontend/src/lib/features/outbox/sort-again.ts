import type { BagFormats } from '$lib/bag-formats/formats';
import { uuidv7 } from '$lib/uuidv7';
import { isOpening, type QueuedAction, type ScanAction } from './actions';

/** An act that was replaced in the queue, and what replaced it. */
export interface Replaced {
	before: QueuedAction;
	after: QueuedAction;
}

/**
 * Sorts what waits with the formats of now: a code that was scanned as a child is a parent since an admin has added a
 * format. It opens that parent, and what was scanned behind it goes into it and not into the one that was open.
 * What may have reached the server stays as it is.
 */
export function sortAgain(acts: QueuedAction[], formats: BagFormats): QueuedAction[] {
	let sorted = sortDue(acts, formats);
	acts.forEach((_, at) => {
		const act = sorted[at];
		const isChild = act?.kind === 'scan' && act.parent_qr_code !== null && !act.attempted && !act.shown_as;
		if (isChild && formats.verdictOf(act.qr_code) === 'parent') sorted = openAt(sorted, at, act);
	});
	return sorted;
}

/** Sorts what was scanned while no formats were known, in the order in which it was scanned. */
function sortDue(acts: QueuedAction[], formats: BagFormats): QueuedAction[] {
	let open: string | null = null;
	return acts.map((act) => {
		if (act.kind !== 'scan') return act;
		if (isOpening(act)) open = act.qr_code;
		if (act.sorting !== 'due') return act;
		if (act.open_before === null) open = null;
		const before: string | null = open ?? act.open_before ?? null;
		const sorted = sortOne(act, before, formats);
		if (isOpening(sorted)) open = sorted.qr_code;
		return sorted;
	});
}

function sortOne(act: ScanAction, before: string | null, formats: BagFormats): ScanAction {
	const verdict = formats.verdictOf(act.qr_code);
	if (verdict === 'parent') return { ...act, sorting: 'done', open_before: before };
	const child: ScanAction = { ...act, sorting: 'done', parent_qr_code: before };
	if (before === null) child.shown_as = 'no_parent_open';
	else if (verdict === 'undetermined') child.shown_as = 'label_unchecked';
	return child;
}

/** The server says that what was scanned into a parent is a parent itself: it is opened, with an id of its own. */
export function openInstead(acts: QueuedAction[], id: string): QueuedAction[] {
	const at = acts.findIndex((act) => act.id === id);
	const act = acts[at];
	if (act?.kind !== 'scan' || act.parent_qr_code === null) return acts;
	// Of the time of the scan, by the server's clock: the device's own may be wrong.
	const opening: ScanAction = { ...act, id: uuidv7(Date.parse(act.at)), was_child: true };
	delete opening.attempted;
	delete opening.shown_as;
	if (!act.shown_as) return openAt(acts, at, opening);
	// It was shown as refused: whatever was scanned since was meant for the parent that was open.
	const isLast = !acts.slice(at + 1).some((later) => later.kind === 'scan');
	return isLast ? acts.with(at, asOpening(opening)) : acts;
}

/** Which acts are others now, place by place. */
export function differences(before: QueuedAction[], after: QueuedAction[]): Replaced[] {
	return before.flatMap((act, at) => {
		const now = after[at];
		return now && now !== act ? [{ before: act, after: now }] : [];
	});
}

function openAt(acts: QueuedAction[], at: number, scan: ScanAction): QueuedAction[] {
	const from = scan.parent_qr_code;
	const next = acts.findIndex((act, index) => index > at && isOpening(act));
	const end = next === -1 ? acts.length : next;
	return acts.map((act, index) => {
		if (index === at) return asOpening(scan);
		const follows = index > at && index < end && !act.attempted;
		return follows && from !== null ? redirected(act, from, scan.qr_code) : act;
	});
}

function asOpening(scan: ScanAction): ScanAction {
	return { ...scan, parent_qr_code: null, open_before: scan.parent_qr_code };
}

/** The act for another parent, where it was for `from`. */
function redirected(act: QueuedAction, from: string, to: string): QueuedAction {
	if ((act.kind === 'complete' || act.kind === 'reopen') && act.qr_code === from) return { ...act, qr_code: to };
	if ('parent_qr_code' in act && act.parent_qr_code === from) return { ...act, parent_qr_code: to };
	return act;
}
