import { describe, expect, it } from 'vitest';
import { billFiltersOf } from './filters';

const read = (query: string) => billFiltersOf(new URLSearchParams(query));

describe('billFiltersOf', () => {
	it('reads a shared view', () => {
		expect(read('q=+jaipur+&status=processing&created_by=7&area=Lucknow&sort=oldest&cursor=abc')).toEqual({
			q: 'jaipur',
			status: 'processing',
			created_by: 7,
			area: 'Lucknow',
			sort: 'oldest',
			cursor: 'abc'
		});
	});

	it('takes whole days, the last one too', () => {
		const { created_after = '', created_before = '' } = read('created_after=2026-03-01&created_before=2026-03-01');
		expect(Date.parse(created_before) - Date.parse(created_after)).toBe(24 * 60 * 60 * 1000);
		expect(new Date(created_after).getHours()).toBe(0);
	});

	it('leaves out what it does not know', () => {
		expect(read('q=++&status=lost&created_by=me&created_after=yesterday&page=3')).toEqual({});
	});
});
