import type { paths } from '$lib/api/schema.gen';
import { dayStart } from '$lib/day-range';

export type BagFilters = NonNullable<paths['/api/v1/bags']['get']['parameters']['query']>;

/** The first of the known values that this is; others count as nothing chosen. */
export const oneOf = <const T extends string>(value: string | null, allowed: readonly T[]): T | undefined =>
	allowed.find((one) => one === value);

/** The object without what has no value: the API refuses empty parameters. */
export function given<T extends object>(values: { [K in keyof T]: T[K] | undefined | null | '' }): T {
	return Object.fromEntries(Object.entries(values).filter(([, value]) => Boolean(value))) as T;
}

const YES_NO: Record<string, string> = { yes: 'true', no: 'false' };

/** Reads the filters of the bag list from a URL; what it does not know is left out. Days are of this device. */
export function filtersOf(params: URLSearchParams): BagFilters {
	const text = (name: string) => params.get(name)?.trim();
	const filters = given<BagFilters>({
		q: text('q'),
		kind: oneOf(params.get('kind'), ['parent', 'child']),
		status: oneOf(params.get('status'), ['open', 'completed']),
		area: text('area'),
		created_after: dayStart(params.get('created_after')),
		created_before: dayStart(params.get('created_before'), 1),
		sort: oneOf(params.get('sort'), ['newest', 'oldest']),
		cursor: params.get('cursor')
	});
	// "No" is a choice too, so these two are kept when false.
	for (const name of ['billed', 'linked'] as const) {
		const choice = YES_NO[params.get(name) ?? ''];
		if (choice) filters[name] = choice === 'true';
	}
	return filters;
}

/** What narrows a list, without its order and place: for exports and counts. */
export function narrowing<T extends { sort?: unknown; cursor?: unknown }>(filters: T): Omit<T, 'sort' | 'cursor'> {
	const rest = { ...filters };
	delete rest.sort;
	delete rest.cursor;
	return rest;
}
