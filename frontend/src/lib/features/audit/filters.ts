import type { paths } from '$lib/api/schema.gen';
import { dayStart } from '$lib/day-range';

export type AuditFilters = NonNullable<paths['/api/v1/audit-logs']['get']['parameters']['query']>;

const TEXTS = ['action', 'entity_type', 'entity_id', 'request_id', 'ip', 'q', 'cursor'] as const;

/** Reads the filters of the audit log from a URL; what it does not know is left out. Days are whole days. */
export function auditFiltersOf(params: URLSearchParams): AuditFilters {
	const filters: AuditFilters = {};
	for (const name of TEXTS) {
		const value = params.get(name)?.trim();
		if (value) filters[name] = value;
	}
	for (const name of ['actor_id', 'api_key_id'] as const) {
		const id = Number(params.get(name));
		if (Number.isSafeInteger(id) && id > 0) filters[name] = id;
	}
	const after = dayStart(params.get('after'));
	const before = dayStart(params.get('before'), 1);
	if (after) filters.after = after;
	if (before) filters.before = before;
	return filters;
}
