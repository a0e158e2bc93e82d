import type { paths } from '$lib/api/schema.gen';

export type AuditFilters = NonNullable<paths['/api/v1/audit-logs']['get']['parameters']['query']>;

const TEXTS = ['action', 'entity_type', 'entity_id', 'request_id', 'ip', 'q', 'cursor'] as const;

/** A day of the person's own calendar as a moment; the day after where a whole day is to be within. */
function momentOf(day: string | null, daysOn: number): string | undefined {
	const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? '');
	if (!parts) return undefined;
	const moment = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + daysOn);
	return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}

/** Reads the filters of the audit log from a URL; what it does not know is left out. Days are whole days. */
export function auditFiltersOf(params: URLSearchParams): AuditFilters {
	const filters: AuditFilters = {};
	for (const name of TEXTS) {
		const value = params.get(name)?.trim();
		if (value) filters[name] = value;
	}
	const actor = Number(params.get('actor_id'));
	if (Number.isSafeInteger(actor) && actor > 0) filters.actor_id = actor;
	const after = momentOf(params.get('after'), 0);
	const before = momentOf(params.get('before'), 1);
	if (after) filters.after = after;
	if (before) filters.before = before;
	return filters;
}
