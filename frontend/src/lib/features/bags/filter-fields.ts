import type { Schemas } from '$lib/api/client';
import { areaFilter } from '$lib/components/table/area-filter';
import type { Filter } from '$lib/components/table/filter';
import { m } from '$lib/paraglide/messages.js';

/** The filters of the list of bags; `areas` is null for who sees one area alone. */
export function bagListFilters(areas: Schemas['DispatchArea'][] | null): Filter[] {
	const yesNo = [
		{ value: 'yes', label: m.yes() },
		{ value: 'no', label: m.no() }
	];
	return [
		{ name: 'q', label: m.search_bags(), type: 'search' },
		{
			name: 'kind',
			label: m.kind(),
			type: 'select',
			all: m.kind_all(),
			options: [
				{ value: 'parent', label: m.kind_parent() },
				{ value: 'child', label: m.kind_child() }
			]
		},
		{
			name: 'status',
			label: m.status(),
			type: 'select',
			options: [
				{ value: 'open', label: m.status_open() },
				{ value: 'completed', label: m.status_completed() }
			]
		},
		...(areas ? [areaFilter(areas)] : []),
		{ name: 'billed', label: m.bags_billed(), type: 'select', options: yesNo },
		{ name: 'linked', label: m.bags_linked(), type: 'select', options: yesNo },
		{ name: 'created_after', label: m.bags_made_from(), type: 'date' },
		{ name: 'created_before', label: m.bags_made_to(), type: 'date' }
	];
}
