import type { Schemas } from '$lib/api/client';
import type { Entry } from './feed.svelte';

/** The parent that is being packed. */
export interface OpenParent {
	code: string;
	count: number;
	capacity: number;
	status: string;
	/** The server has confirmed it. */
	isKnown: boolean;
}

const DEFAULT_CAPACITY = 30;

/** Decides only how a scan is shown and sent before the server has answered; the server has the last word. */
const PARENT = /^(SB\d{5,62}|M444-\d{5})$/;

export function isParentCode(code: string): boolean {
	return PARENT.test(code);
}

/** A parent of which nothing is known yet. */
export function newParent(code: string): OpenParent {
	return { code, count: 0, capacity: DEFAULT_CAPACITY, status: 'open', isKnown: false };
}

export function parentOf(bag: Schemas['Bag']): OpenParent {
	return {
		code: bag.qr_code,
		count: bag.child_count ?? 0,
		capacity: bag.capacity ?? DEFAULT_CAPACITY,
		status: bag.status ?? 'open',
		isKnown: true
	};
}

/** Children as the packer should see them: confirmed, and those on their way in or out; a bag counts once. */
export function shownCount(parent: OpenParent, entries: Entry[]): number {
	const here = entries.filter(({ kind, into }) => kind === 'scan' && into === parent.code);
	const isIn = ({ outcome }: Entry) => outcome === 'linked' || outcome === 'filled' || outcome === 'already_linked';
	const inside = new Set(here.filter(isIn).map(({ code }) => code));
	const coming = here.filter(
		({ outcome, isUndoing, code }) => outcome === 'pending' && !isUndoing && !inside.has(code)
	);
	const leaving = here.filter(({ isUndoing, outcome }) => isUndoing && outcome !== 'pending');
	const count = parent.count + new Set(coming.map(({ code }) => code)).size - leaving.length;
	return Math.max(0, Math.min(count, parent.capacity));
}

const key = (userId: number) => `traitortrack-parent-${userId}`;

export function rememberParent(userId: number, parent: OpenParent): void {
	localStorage.setItem(key(userId), JSON.stringify(parent));
}

export function forgetParent(userId: number): void {
	localStorage.removeItem(key(userId));
}

/** The parent that was open when the page was left. */
export function recallParent(userId: number): OpenParent | null {
	try {
		const stored = JSON.parse(localStorage.getItem(key(userId)) ?? 'null') as OpenParent | null;
		return stored && { ...stored, isKnown: false };
	} catch {
		return null;
	}
}
