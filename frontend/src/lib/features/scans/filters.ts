import type { paths } from '$lib/api/schema.gen';
import { dayStart } from '$lib/day-range';
import { given, oneOf } from '$lib/list-filters';
import { OUTCOMES } from './words';

export type ScanFilters = NonNullable<paths['/api/v1/scans']['get']['parameters']['query']>;

/** Reads the filters of the list of scans from a URL; what it does not know is left out. Days are of this device. */
export function scanFiltersOf(params: URLSearchParams): ScanFilters {
	const user = params.get('user_id') ?? '';
	return given<ScanFilters>({
		user_id: /^\d{1,15}$/.test(user) ? Number(user) : undefined,
		bag: params.get('bag')?.trim(),
		kind: oneOf(params.get('kind'), ['parent', 'child', 'lookup', 'undo']),
		outcome: oneOf(params.get('outcome'), OUTCOMES),
		area: params.get('area')?.trim(),
		scanned_after: dayStart(params.get('scanned_after')),
		scanned_before: dayStart(params.get('scanned_before'), 1),
		sort: oneOf(params.get('sort'), ['newest', 'oldest']),
		cursor: params.get('cursor')
	});
}
