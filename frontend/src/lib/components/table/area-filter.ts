import type { Schemas } from '$lib/api/client';
import type { Filter } from './filter';
import { m } from '$lib/paraglide/messages.js';

/** The choice of a dispatch area; old areas stay, as bags of them do. */
export function areaFilter(areas: Schemas['DispatchArea'][]): Filter {
	return {
		name: 'area',
		label: m.area(),
		type: 'select',
		options: areas.map(({ code, name }) => ({ value: code, label: name }))
	};
}
