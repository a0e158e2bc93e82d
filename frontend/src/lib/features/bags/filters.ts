import type { paths } from '$lib/api/schema.gen';
import { dayStart } from '$lib/day-range';
import { given, oneOf } from '$lib/list-filters';

export type BagFilters = NonNullable<paths['/api/v1/bags']['get']['parameters']['query']>;

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
