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

export interface ScanAct extends Common {
	kind: 'scan';
	qr_code: string;
	parent_qr_code: string | null;
	source: Source;
}

export interface UndoAct extends Common {
	kind: 'undo';
	scan_id: string;
	qr_code: string;
	parent_qr_code: string | null;
}

export interface StatusAct extends Common {
	kind: 'complete' | 'reopen';
	qr_code: string;
}

export interface MoveAct extends Common {
	kind: 'move';
	qr_code: string;
	parent_qr_code: string;
}

export interface BillAct extends Common {
	kind: 'bill_add' | 'bill_remove';
	bill_number: string;
	qr_code: string;
}

/** Something a person did at the station that the server has not answered yet. */
export type Act = ScanAct | UndoAct | StatusAct | MoveAct | BillAct;

/** An act before the outbox has given it an id, a time and an owner. */
export type NewAct = Act extends infer A ? (A extends Act ? Omit<A, keyof Common> : never) : never;

/** What the server said of an act. */
export interface Verdict {
	act: Act;
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
	detail: string | null;
}

/** A refusal that nobody saw when it came: it stays on the device until a person has settled it. */
export interface Refusal {
	id: string;
	user_id: number;
	act: Act;
	outcome: string;
	elsewhere: string | null;
	detail: string | null;
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

/** Most scans sent in one request. */
const BATCH = 100;

/** The oldest acts that go out together: scans in a row as one batch, everything else alone. Order is never changed. */
export function firstRun(acts: Act[]): Act[] {
	if (acts[0]?.kind !== 'scan') return acts.slice(0, 1);
	const end = acts.findIndex((act) => act.kind !== 'scan');
	return acts.slice(0, Math.min(end === -1 ? acts.length : end, BATCH));
}
