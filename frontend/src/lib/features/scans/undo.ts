import type { Schemas } from '$lib/api/client';
import { serverNow } from '$lib/clock';

/** As the server has it by default; where it is set otherwise, the server's refusal says so. */
const UNDO_WINDOW_MS = 60 * 60_000;

/** Whether this person may undo a scan: their own, or anybody's for billers and admins, within the hour. */
export function mayUndo(scan: Schemas['Scan'], person: { id: number; mayMove: boolean }, now = serverNow()): boolean {
	if (scan.outcome !== 'linked' || scan.undone_at !== null) return false;
	if (scan.user.id !== person.id && !person.mayMove) return false;
	return now - Date.parse(scan.scanned_at) < UNDO_WINDOW_MS;
}

/** A scan that arrived this long after it was made waited for the network. */
const LATE_MS = 60_000;

/** Whether a scan was made without network. */
export function isLate(scan: Schemas['Scan']): boolean {
	return Date.parse(scan.recorded_at) - Date.parse(scan.scanned_at) > LATE_MS;
}
