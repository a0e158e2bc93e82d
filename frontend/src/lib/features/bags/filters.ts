import type { paths } from '$lib/api/schema.gen';

export type BagFilters = NonNullable<paths['/api/v1/bags']['get']['parameters']['query']>;

const oneOf = <T extends string>(value: string | null, allowed: readonly T[]): T | undefined =>
	allowed.find((one) => one === value);

/** Reads the filters of the bag list from a URL; what it does not know is left out. */
export function filtersOf(params: URLSearchParams): BagFilters {
	const filters: BagFilters = {};
	const q = params.get('q')?.trim();
	const kind = oneOf(params.get('kind'), ['parent', 'child'] as const);
	const status = oneOf(params.get('status'), ['open', 'completed'] as const);
	const sort = oneOf(params.get('sort'), ['newest', 'oldest'] as const);
	const cursor = params.get('cursor');
	if (q) filters.q = q;
	if (kind) filters.kind = kind;
	if (status) filters.status = status;
	if (sort) filters.sort = sort;
	if (cursor) filters.cursor = cursor;
	return filters;
}
