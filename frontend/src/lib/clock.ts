/** Differences smaller than this are the age of the answer, not a wrong clock. */
const TOLERANCE_MS = 5_000;
const KEY = 'traitortrack-clock-offset';

/** Service workers have no local storage, and need none: ids and times are made by pages. */
const storage = typeof localStorage === 'undefined' ? null : localStorage;

/** Kept on the device: a start without a network has the last known difference. */
let offsetMs = Number(storage?.getItem(KEY)) || 0;

/** Learns from a `Date` header how far this device's clock is off. */
export function noteServerDate(header: string | null, now = Date.now()): void {
	if (!header) return;
	const server = Date.parse(header);
	if (Number.isNaN(server)) return;
	const difference = server - now;
	const learned = Math.abs(difference) > TOLERANCE_MS ? difference : 0;
	// The header has whole seconds: a change of less is no news, and not worth a write.
	if (Math.abs(learned - offsetMs) <= 1_000) return;
	offsetMs = learned;
	storage?.setItem(KEY, String(offsetMs));
}

/** The time as the server has it, in milliseconds: cheap phones keep bad clocks, and scans carry their time. */
export function serverNow(now = Date.now()): number {
	return now + offsetMs;
}

/** A time as the API takes it: RFC 3339 in UTC. */
export function toInstant(ms: number): string {
	return new Date(ms).toISOString();
}
