import type { Schemas } from '$lib/api/client';

/** What every act on the device has, whatever it does. */
interface Common {
	/** UUIDv7. Of a scan it is the scan's own id; of the rest, the key that makes sending it again safe. */
	id: string;
	user_id: number;
	/** Shown when somebody else is signed in on this device. */
	username: string;
	/** When it was done, in the server's time. */
	at: string;
	/** It was sent at least once, so the server may have it although no answer came. */
	attempted?: boolean;
}

/** How a code came in at the station. */
export type Source = Extract<Schemas['ScanSource'], 'wedge' | 'keypad' | 'camera'>;

export interface ScanAction extends Common {
	kind: 'scan';
	qr_code: string;
	parent_qr_code: string | null;
	source: Source;
	/** The refusal that the station has shown for it, from what it knows itself. The server may know better. */
	shown_as?: ShownRefusal;
	/**
	 * What was open before. Of a scan that opens a parent it stays open when this one is refused; of one that is still to
	 * be sorted it is absent where only the scans before it tell, and null where nothing was open.
	 */
	open_before?: string | null;
	/**
	 * No bag formats were known when it was scanned. Before it is sent it is sorted: it opens a parent, or goes into the
	 * one that was opened before it.
	 */
	sorting?: 'due' | 'done';
	/** Scanned into a parent first, which was refused because this is a parent's code. */
	was_child?: boolean;
}

/** What the station refuses by itself, and still asks the server about while it can. */
export type ShownRefusal = 'looks_like_parent' | 'product_barcode' | 'label_unchecked' | 'no_parent_open';

export interface UndoAction extends Common {
	kind: 'undo';
	scan_id: string;
	qr_code: string;
	parent_qr_code: string | null;
}

export interface StatusAction extends Common {
	kind: 'complete' | 'reopen';
	qr_code: string;
}

export interface MoveAction extends Common {
	kind: 'move';
	qr_code: string;
	parent_qr_code: string;
}

export interface BillAction extends Common {
	kind: 'bill_add' | 'bill_remove';
	bill_number: string;
	qr_code: string;
}

/** Something a person did at the station that the server has not answered yet. */
export type QueuedAction = ScanAction | UndoAction | StatusAction | MoveAction | BillAction;

/** An act before the outbox has given it an id, a time and an owner. */
export type NewAction = QueuedAction extends infer A ? (A extends QueuedAction ? Omit<A, keyof Common> : never) : never;

/** What the server said of an act. */
export interface ActionResult {
	act: QueuedAction;
	/** An outcome of a scan or of a bill, the code of a problem, or what an act did: `undone`, `moved`, … */
	outcome: string;
	bag: Schemas['Bag'] | null;
	/** The parent scanned into, as it is now. */
	parent: Schemas['Bag'] | null;
	/** Where the bag is instead: a parent, or a bill. */
	elsewhere: string | null;
	/** The bill as it is now. */
	bill: Schemas['Bill'] | null;
	/** Code of something to know about an act that was done all the same. */
	warning: string | null;
}

/** A refusal that nobody saw when it came: it stays on the device until a person has settled it. */
export interface Refusal {
	id: string;
	user_id: number;
	act: QueuedAction;
	outcome: string;
	elsewhere: string | null;
	refused_at: string;
}

const DONE = new Set([
	'opened',
	'found',
	'linked',
	'already_linked',
	'undone',
	'nothing_undone',
	'completed',
	'reopened',
	'moved',
	'added',
	'already_on_this_bill',
	'removed'
]);

/** Whether the act did not do what it was meant to. */
export function isRefusal(outcome: string): boolean {
	return !DONE.has(outcome);
}

/** Whether the act opens a parent, as the station sees it. */
export function isOpening(act: QueuedAction): boolean {
	return act.kind === 'scan' && act.parent_qr_code === null && !act.shown_as && act.sorting !== 'due';
}

/** Whether the act was shown as refused and has never been sent. */
export function isShownUnsent(act: QueuedAction): boolean {
	return act.kind === 'scan' && act.shown_as !== undefined && !act.attempted;
}

/** Most scans sent in one request. */
const BATCH = 100;

/**
 * The oldest acts that go out together: scans in a row as one batch, everything else alone. So do scans that the
 * station can't place by itself: what comes behind them depends on their answer. Order is never changed. `sorted`: ids
 * of those that may go; what has come since waits.
 */
export function firstRun(acts: QueuedAction[], sorted?: ReadonlySet<string>): QueuedAction[] {
	const isSorted = ({ id }: QueuedAction) => sorted === undefined || sorted.has(id);
	const isAlone = (act: QueuedAction) => act.kind !== 'scan' || act.shown_as !== undefined || act.was_child === true;
	const end = acts.findIndex((act) => isAlone(act) || !isSorted(act));
	if (end === 0) return acts.slice(0, 1).filter(isSorted);
	return acts.slice(0, Math.min(end === -1 ? acts.length : end, BATCH));
}
