import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

export type Role = Schemas['Role'];

export const ROLES: readonly Role[] = ['dispatcher', 'biller', 'admin'];

/** The role in the person's language. */
export function roleName(role: Role): string {
	return { dispatcher: m.role_dispatcher, biller: m.role_biller, admin: m.role_admin }[role]();
}

/** What people of a role may do, in a sentence. */
export function roleExplained(role: Role): string {
	return { dispatcher: m.users_explain_dispatcher, biller: m.users_explain_biller, admin: m.users_explain_admin }[
		role
	]();
}
