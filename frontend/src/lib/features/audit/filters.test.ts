import { describe, expect, it } from 'vitest';
import { auditFiltersOf } from './filters';

const of = (query: string) => auditFiltersOf(new URLSearchParams(query));

describe('filters of the audit log', () => {
	it('are read from the address', () =>
		expect(
			of('q=%20asha%20&actor_id=7&api_key_id=3&action=bill_changed&entity_type=bill&entity_id=BILL-000001&ip=10.0.0.1')
		).toEqual({
			q: 'asha',
			actor_id: 7,
			api_key_id: 3,
			action: 'bill_changed',
			entity_type: 'bill',
			entity_id: 'BILL-000001',
			ip: '10.0.0.1'
		}));

	it('take whole days', () => {
		const { after, before } = of('after=2026-11-24&before=2026-11-24');
		expect(new Date(before ?? '').getTime() - new Date(after ?? '').getTime()).toBe(86_400_000);
		expect(new Date(after ?? '').getHours()).toBe(0);
	});

	it('leave out what makes no sense', () =>
		expect(of('actor_id=x&api_key_id=-1&after=yesterday&unknown=1&q=')).toEqual({}));
});
