import { describe, expect, it } from 'vitest';
import { narrowing } from '$lib/list-filters';
import { filtersOf } from './filters';

const read = (query: string) => filtersOf(new URLSearchParams(query));

describe('filtersOf', () => {
	it('reads a shared view', () => {
		expect(read('q=+sb12+&kind=parent&status=open&area=Lucknow&cursor=abc')).toEqual({
			q: 'sb12',
			kind: 'parent',
			status: 'open',
			area: 'Lucknow',
			cursor: 'abc'
		});
	});

	it('keeps a "no"', () => {
		expect(read('billed=no&linked=yes')).toEqual({ billed: false, linked: true });
	});

	it('takes both days of a range whole', () => {
		expect(read('created_after=2026-02-27&created_before=2026-02-28')).toEqual({
			created_after: new Date(2026, 1, 27).toISOString(),
			created_before: new Date(2026, 2, 1).toISOString()
		});
	});

	it('leaves out what it does not know', () => {
		expect(read('q=++&kind=box&status=lost&billed=maybe&created_after=soon&page=3')).toEqual({});
	});
});

describe('narrowing', () => {
	it('leaves out order and place', () => {
		expect(narrowing(read('q=sb&sort=oldest&cursor=abc'))).toEqual({ q: 'sb' });
	});
});
