import { api } from '$lib/api/client';
import { unwrap } from '$lib/api/query';

/** Areas change a few times a year. */
const AREAS_STALE_MS = 5 * 60_000;

/** The dispatch areas, for choices. */
export const areasQuery = () => ({
	queryKey: ['dispatch-areas'],
	queryFn: () => unwrap(api.GET('/api/v1/dispatch-areas')),
	staleTime: AREAS_STALE_MS
});
