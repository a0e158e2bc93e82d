import type { Schemas } from '$lib/api/client';

type Hour = Schemas['HourlyScans'];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A count beside what it was a day earlier. */
export interface Comparison {
	now: number;
	before: number;
}

/** Difference as a share of what was before; null where nothing was. */
export function changeOf({ now, before }: Comparison): number | null {
	return before > 0 ? (now - before) / before : null;
}

/**
 * Scans from `from` to `to`; of an hour that is only partly in between, that part: the hour's scans are taken as evenly
 * spread, which is as near as hourly numbers come.
 */
export function scansBetween(hours: Hour[], from: number, to: number): number {
	let sum = 0;
	for (const { hour, total } of hours) {
		const begins = Date.parse(hour);
		const overlap = Math.min(begins + HOUR_MS, to) - Math.max(begins, from);
		if (overlap > 0) sum += (total * overlap) / HOUR_MS;
	}
	return Math.round(sum);
}

/** Today until `now` beside yesterday until the same time of day. `today` is the exact number of the server. */
export function todayBesideYesterday(hours: Hour[], today: number, now: number): Comparison | null {
	const midnight = new Date(now).setHours(0, 0, 0, 0);
	if (!reaches(hours, midnight - DAY_MS)) return null;
	// The server counts from the warehouse's midnight. A device in another time zone would compare other hours.
	const counted = hours.filter(({ hour }) => Date.parse(hour) >= midnight).reduce((sum, { total }) => sum + total, 0);
	if (Math.abs(counted - today) > Math.max(20, today / 10)) return null;
	return { now: today, before: scansBetween(hours, midnight - DAY_MS, now - DAY_MS) };
}

/** The last 24 hours beside the 24 hours before them. */
export function dayBesideDayBefore(hours: Hour[], lastDay: number, now: number): Comparison | null {
	if (!reaches(hours, now - 2 * DAY_MS)) return null;
	return { now: lastDay, before: scansBetween(hours, now - 2 * DAY_MS, now - DAY_MS) };
}

function reaches(hours: Hour[], moment: number): boolean {
	return hours[0] !== undefined && Date.parse(hours[0].hour) <= moment;
}
