import { expect, it } from 'vitest';
import { beginOf } from '$lib/days';
import { exportsFor, filtersFor, filtersIn } from './exports';

it('keeps people and the audit log to admins', () => {
	expect(exportsFor('dispatcher')).toEqual([]);
	expect(exportsFor('biller')).toEqual(['bags', 'links', 'bills', 'scans']);
	expect(exportsFor('admin')).toContain('audit-logs');
});

it('reads filters from an address: days become moments, and the last day is in', () => {
	const filters = filtersFor('bags', ['Lucknow']);
	const params = new URLSearchParams(
		'q= sb1 &kind=parent&area=Lucknow&created_after=2026-11-01&created_before=2026-11-30&cursor=x&status='
	);
	expect(filtersIn(filters, params)).toEqual({
		q: 'sb1',
		kind: 'parent',
		area: 'Lucknow',
		created_after: beginOf('2026-11-01'),
		created_before: beginOf('2026-12-01')
	});
	expect(filtersIn(filters, new URLSearchParams('created_after=soon'))).toEqual({});
});
