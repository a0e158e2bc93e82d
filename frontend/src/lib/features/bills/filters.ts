import type { paths } from '$lib/api/schema.gen';

export type BillFilters = NonNullable<paths['/api/v1/bills']['get']['parameters']['query']>;

const STATUSES = ['new', 'processing', 'completed'] as const;
const SORTS = ['newest', 'oldest'] as const;

const oneOf = <T extends string>(value: string | null, allowed: readonly T[]): T | undefined =>
	allowed.find((one) => one === value);

/** Midnight at the start of a day (`2026-03-01`) of this device's time zone, `days` later. */
function startOf(day: string | null, days = 0): string | undefined {
	const parts = /^(\d{4})-(\d{2})-(\d{2})$/
		.exec(day ?? '')
		?.slice(1)
		.map(Number);
	if (!parts) return undefined;
	const [year = 0, month = 1, date = 1] = parts;
	return new Date(year, month - 1, date + days).toISOString();
}

/** Reads the filters of the bill list from a URL, where dates are days, the last one included; what it does not know is left out. */
export function billFiltersOf(params: URLSearchParams): BillFilters {
	const filters: BillFilters = {
		q: params.get('q')?.trim() || undefined,
		status: oneOf(params.get('status'), STATUSES),
		created_by: Number(params.get('created_by')) || undefined,
		area: params.get('area') || undefined,
		created_after: startOf(params.get('created_after')),
		created_before: startOf(params.get('created_before'), 1),
		sort: oneOf(params.get('sort'), SORTS),
		cursor: params.get('cursor') || undefined
	};
	return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
}
