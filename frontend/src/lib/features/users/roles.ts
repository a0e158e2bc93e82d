import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

export type Role = Schemas['Role'];

export const ROLES: readonly Role[] = ['dispatcher', 'biller', 'admin'];

/** The role in the person's language. */
export function roleName(role: Role): string {
	return { dispatcher: m.role_dispatcher, biller: m.role_biller, admin: m.role_admin }[role]();
}
