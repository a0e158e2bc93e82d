import { expect, it } from 'vitest';
import { addDays, beginOf, dayIn, firstOfMonth, today } from './days';

it('goes over months, years and leap days', () => {
	expect(addDays('2026-12-31', 1)).toBe('2027-01-01');
	expect(addDays('2028-03-01', -1)).toBe('2028-02-29');
	expect(addDays('2026-11-24', 0)).toBe('2026-11-24');
	expect(firstOfMonth('2026-11-24')).toBe('2026-11-01');
});

it('takes only days of the calendar from an address', () => {
	expect(dayIn('2026-11-24')).toBe('2026-11-24');
	for (const text of [null, '', '24.11.2026', '2026-02-30', '2026-13-01', '2026-1-1', '<script>'])
		expect(dayIn(text)).toBeUndefined();
});

it('knows when a day begins here', () => {
	expect(beginOf('2026-11-24')).toBe(new Date(2026, 10, 24).toISOString());
	expect(today(new Date(2026, 0, 5, 23, 59))).toBe('2026-01-05');
});
