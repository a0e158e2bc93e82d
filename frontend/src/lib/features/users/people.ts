import { api, type Schemas } from '$lib/api/client';
import { unwrap } from '$lib/api/query';
import { kindly } from './refusals';

type User = Schemas['User'];

/** Says which state of a person is changed: the server refuses when it is not the last one. */
const ifMatch = (user: User) => ({ 'if-match': `"${user.version}"` });

export function fetchPerson(id: number): Promise<User> {
	return unwrap(api.GET('/api/v1/users/{id}', { params: { path: { id } } }));
}

/**
 * Changes a person as last seen.
 *
 * # Errors
 * `ApiError` 412 when somebody else was faster; 409 for the last admin, one's own role and taken names.
 */
export function changePerson(user: User, body: Schemas['ChangeUserRequest']): Promise<User> {
	return kindly(
		unwrap(
			api.PATCH('/api/v1/users/{id}', {
				params: { path: { id: user.id } },
				headers: { ...ifMatch(user), 'content-type': 'application/merge-patch+json' },
				body
			})
		)
	);
}

/** Anonymises a person as last seen; errors as of [`changePerson`]. */
export function deletePerson(user: User): Promise<unknown> {
	return kindly(
		unwrap(api.DELETE('/api/v1/users/{id}', { params: { path: { id: user.id } }, headers: ifMatch(user) }))
	);
}

const PAGE = 200;
const MOST_PAGES = 5;

/** Everybody, for choices and to give ids their names; the first thousand where a house is that large. */
export async function fetchEverybody(): Promise<User[]> {
	const people: User[] = [];
	let cursor: string | null = null;
	for (let page = 0; page < MOST_PAGES; page += 1) {
		const query: { limit: number; cursor?: string } = cursor ? { limit: PAGE, cursor } : { limit: PAGE };
		const list: { data: User[]; next_cursor?: string | null } = await unwrap(
			api.GET('/api/v1/users', { params: { query } })
		);
		people.push(...list.data);
		cursor = list.next_cursor ?? null;
		if (!cursor) break;
	}
	return people;
}

/** Key and function of [`fetchEverybody`] for `createQuery`. */
export const everybody = () => ({ queryKey: ['users', 'everybody'], queryFn: fetchEverybody, staleTime: 60_000 });

export function fetchAreas(): Promise<Schemas['DispatchArea'][]> {
	return unwrap(api.GET('/api/v1/dispatch-areas')).then((list) => list.data);
}

/** Key and function of [`fetchAreas`] for `createQuery`. */
export const allAreas = () => ({ queryKey: ['dispatch-areas', 'all'], queryFn: fetchAreas, staleTime: 60_000 });
