import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleMinus from '@lucide/svelte/icons/circle-minus';
import CircleX from '@lucide/svelte/icons/circle-x';
import Hourglass from '@lucide/svelte/icons/hourglass';
import type { Schemas } from '$lib/api/client';
import { ROLES, type Role } from '$lib/roles';
import { m } from '$lib/paraglide/messages.js';

type Status = Schemas['PromotionStatus'];

export const STATUSES: readonly Status[] = ['pending', 'approved', 'rejected'];

/** The status of a request as the properties of a `Badge`. */
export function statusBadge(status: Status, closedAs: string | null = null) {
	// No admin refused it: the role was the same or higher by then.
	if (closedAs) return { label: m.prq_closed(), tone: 'plain' as const, icon: CircleMinus };
	return {
		pending: { label: m.prq_pending(), tone: 'warn' as const, icon: Hourglass },
		approved: { label: m.prq_approved(), tone: 'ok' as const, icon: CircleCheck },
		rejected: { label: m.prq_rejected(), tone: 'bad' as const, icon: CircleX }
	}[status];
}

/** Roles one can ask for: those above one's own. */
export function rolesAbove(role: Role): Role[] {
	return ROLES.slice(ROLES.indexOf(role) + 1);
}
