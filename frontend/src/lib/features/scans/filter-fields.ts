import type { Schemas } from '$lib/api/client';
import type { Filter } from '$lib/components/table/filter';
import { areaFilter } from '$lib/components/table/area-filter';
import { m } from '$lib/paraglide/messages.js';
import { outcomeWords } from '$lib/outcomes/outcome';
import { kindWords, OUTCOMES } from './words';

/** The filters of the list of scans; `areas` is null for who sees one area alone. */
export function scanListFilters(
	people: { value: string; label: string }[],
	areas: Schemas['DispatchArea'][] | null
): Filter[] {
	return [
		{ name: 'bag', label: m.scans_bag(), type: 'search' },
		{ name: 'user_id', label: m.person(), type: 'select', all: m.scans_everybody(), options: people },
		{
			name: 'kind',
			label: m.kind(),
			type: 'select',
			options: (['parent', 'child', 'lookup', 'undo'] as const).map((kind) => ({
				value: kind,
				label: kindWords[kind]()
			}))
		},
		{
			name: 'outcome',
			label: m.scans_outcome(),
			type: 'select',
			options: OUTCOMES.map((outcome) => ({ value: outcome, label: outcomeWords(outcome) }))
		},
		...(areas ? [areaFilter(areas)] : []),
		{ name: 'scanned_after', label: m.from_date(), type: 'date' },
		{ name: 'scanned_before', label: m.to_date(), type: 'date' }
	];
}
