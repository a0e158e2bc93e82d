import type { Schemas } from '$lib/api/client';
import type { NameOf } from './sentences';

/** Names of people by their ids, from everybody there is. */
export function namesOf(people: Schemas['User'][] | undefined): NameOf {
	const names = new Map((people ?? []).map((user) => [String(user.id), user.username]));
	return (id) => names.get(id) ?? null;
}
