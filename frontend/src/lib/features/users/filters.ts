import type { paths } from '$lib/api/schema.gen';
import { ROLES } from '$lib/roles';

export type UserFilters = NonNullable<paths['/api/v1/users']['get']['parameters']['query']>;

/** Reads the filters of the list of people from a URL; what it does not know is left out. */
export function userFiltersOf(params: URLSearchParams): UserFilters {
	const filters: UserFilters = {};
	const q = params.get('q')?.trim();
	const role = ROLES.find((one) => one === params.get('role'));
	const isActive = params.get('is_active');
	const cursor = params.get('cursor');
	if (q) filters.q = q;
	if (role) filters.role = role;
	if (isActive === 'true' || isActive === 'false') filters.is_active = isActive === 'true';
	if (cursor) filters.cursor = cursor;
	return filters;
}
