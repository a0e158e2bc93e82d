import { describe, expect, it } from 'vitest';
import { dayStart } from './day-range';

describe('dayStart', () => {
	it('is midnight of this device', () => {
		expect(dayStart('2026-03-01')).toBe(new Date(2026, 2, 1).toISOString());
	});

	it('counts days over the end of a month', () => {
		expect(dayStart('2026-02-28', 1)).toBe(new Date(2026, 2, 1).toISOString());
	});

	it('leaves out what is no date', () => {
		expect(dayStart(null)).toBeUndefined();
		expect(dayStart('')).toBeUndefined();
		expect(dayStart('yesterday')).toBeUndefined();
	});
});
