import { describe, expect, it } from 'vitest';
import { scanFiltersOf } from './filters';

const read = (query: string) => scanFiltersOf(new URLSearchParams(query));

describe('scanFiltersOf', () => {
	it('reads a shared view', () => {
		expect(read('user_id=7&bag=SB1&kind=child&outcome=parent_full&area=Lucknow&sort=oldest')).toEqual({
			user_id: 7,
			bag: 'SB1',
			kind: 'child',
			outcome: 'parent_full',
			area: 'Lucknow',
			sort: 'oldest'
		});
	});

	it('takes both days of a range whole', () => {
		expect(read('scanned_after=2026-02-27&scanned_before=2026-02-28')).toEqual({
			scanned_after: new Date(2026, 1, 27).toISOString(),
			scanned_before: new Date(2026, 2, 1).toISOString()
		});
	});

	it('leaves out what it does not know', () => {
		expect(read('user_id=asha&kind=box&outcome=nice&bag=+')).toEqual({});
	});
});
