import { describe, expect, it } from 'vitest';
import { changeOf, dayBesideDayBefore, scansBetween, todayBesideYesterday } from './compare';

const HOUR_MS = 3_600_000;
const midnight = new Date(2026, 10, 25).getTime();

/** `count` hours up to the one that holds `now`, each with the scans `of` says. */
function hoursUntil(now: number, count: number, of: (begins: number) => number) {
	const last = now - (now % HOUR_MS);
	return Array.from({ length: count }, (_, n) => {
		const begins = last - (count - 1 - n) * HOUR_MS;
		return { hour: new Date(begins).toISOString(), total: of(begins), parent: 0, child: 0, lookup: 0, undo: 0 };
	});
}

describe('scansBetween', () => {
	it('takes whole hours whole and parts in part', () => {
		const hours = hoursUntil(midnight + 3 * HOUR_MS, 4, () => 60);
		expect(scansBetween(hours, midnight, midnight + 2 * HOUR_MS)).toBe(120);
		expect(scansBetween(hours, midnight, midnight + 1.5 * HOUR_MS)).toBe(90);
		expect(scansBetween(hours, midnight - 9 * HOUR_MS, midnight)).toBe(0);
	});
});

describe('todayBesideYesterday', () => {
	const now = midnight + 10.5 * HOUR_MS;

	it('compares with yesterday until the same time', () => {
		const hours = hoursUntil(now, 168, (begins) => (begins >= midnight ? 200 : 100));
		// The hour that runs has begun half an hour ago: yesterday's is taken by half.
		expect(todayBesideYesterday(hours, 2200, now)).toEqual({ now: 2200, before: 1050 });
	});

	it('says nothing where the server counts another day than this device', () => {
		const hours = hoursUntil(now, 168, () => 100);
		expect(todayBesideYesterday(hours, 400, now)).toBeNull();
	});

	it('says nothing about days it has no hours of', () => {
		expect(todayBesideYesterday([], 0, now)).toBeNull();
		expect(
			todayBesideYesterday(
				hoursUntil(now, 24, () => 1),
				11,
				now
			)
		).toBeNull();
	});
});

it('compares 24 hours with the 24 before', () => {
	const now = midnight + 5 * HOUR_MS;
	const hours = hoursUntil(now, 168, (begins) => (begins >= now - 24 * HOUR_MS ? 3 : 2));
	expect(dayBesideDayBefore(hours, 72, now)).toEqual({ now: 72, before: 48 });
});

it('gives a change only where there was something before', () => {
	expect(changeOf({ now: 150, before: 100 })).toBe(0.5);
	expect(changeOf({ now: 5, before: 0 })).toBeNull();
});
