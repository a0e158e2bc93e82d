/** Differences smaller than this are the age of the answer, not a wrong clock. */
const TOLERANCE_MS = 5_000;

let offsetMs = 0;

/** Learns from a `Date` header how far this device's clock is off. */
export function noteServerDate(header: string | null, now = Date.now()): void {
	if (!header) return;
	const server = Date.parse(header);
	if (Number.isNaN(server)) return;
	const difference = server - now;
	offsetMs = Math.abs(difference) > TOLERANCE_MS ? difference : 0;
}

/** The time as the server has it, in milliseconds: cheap phones keep bad clocks, and scans carry their time. */
export function serverNow(now = Date.now()): number {
	return now + offsetMs;
}

/** A time as the API takes it: RFC 3339 in UTC. */
export function toInstant(ms: number): string {
	return new Date(ms).toISOString();
}
