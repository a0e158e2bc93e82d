import { describe, expect, it } from 'vitest';
import { filtersOf } from './filters';

const read = (query: string) => filtersOf(new URLSearchParams(query));

describe('filtersOf', () => {
	it('reads a shared view', () => {
		expect(read('q=+sb12+&kind=parent&status=open&cursor=abc')).toEqual({
			q: 'sb12',
			kind: 'parent',
			status: 'open',
			cursor: 'abc'
		});
	});

	it('leaves out what it does not know', () => {
		expect(read('q=++&kind=box&status=lost&page=3')).toEqual({});
	});
});
