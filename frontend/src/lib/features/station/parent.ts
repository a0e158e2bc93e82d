import type { Schemas } from '$lib/api/client';
import type { Entry } from './feed.svelte';

/** The parent that is being packed. */
export interface OpenParent {
	code: string;
	count: number;
	/** Children that it holds; null when neither the server nor its format has said so. */
	capacity: number | null;
	status: string;
	/** The server has confirmed it. */
	isKnown: boolean;
}

/** A parent of which nothing is known yet but what its format says. */
export function newParent(code: string, capacity: number | null): OpenParent {
	return { code, count: 0, capacity, status: 'open', isKnown: false };
}

export function parentOf(bag: Schemas['Bag']): OpenParent {
	return {
		code: bag.qr_code,
		count: bag.child_count ?? 0,
		capacity: bag.capacity ?? null,
		status: bag.status ?? 'open',
		isKnown: true
	};
}

/** The child is in the parent that it was scanned into. */
export function isInParent(outcome: string): boolean {
	return outcome === 'linked' || outcome === 'filled' || outcome === 'already_linked';
}

/** Children as the packer should see them: confirmed, and those on their way in or out; a bag counts once. */
export function shownCount(parent: OpenParent, entries: Entry[]): number {
	const count = parent.count + arriving(parent, entries).size - leaving(parent, entries).length;
	return Math.max(0, Math.min(count, parent.capacity ?? Infinity));
}

/** Codes that were scanned into it and are not known to be in it yet. */
function arriving(parent: OpenParent, entries: Entry[]): Set<string> {
	const here = scansInto(parent, entries);
	const inside = new Set(here.filter(({ outcome }) => isInParent(outcome)).map(({ code }) => code));
	const coming = here.filter(
		({ outcome, isUndoing, code }) => outcome === 'pending' && !isUndoing && !inside.has(code)
	);
	return new Set(coming.map(({ code }) => code));
}

function leaving(parent: OpenParent, entries: Entry[]): Entry[] {
	return scansInto(parent, entries).filter(({ isUndoing, outcome }) => isUndoing && isInParent(outcome));
}

function scansInto(parent: OpenParent, entries: Entry[]): Entry[] {
	return entries.filter(({ kind, into }) => kind === 'scan' && into === parent.code);
}

/**
 * Why a child can't go into the parent, as far as the station knows while it can't ask; null when it can. A child that
 * was scanned into it before is never refused: nothing would change.
 */
export function refusalOfChild(
	parent: OpenParent,
	entries: Entry[],
	code: string
): 'parent_full' | 'parent_completed' | null {
	const isInside = scansInto(parent, entries).some(
		(entry) => entry.code === code && !entry.isUndoing && (entry.outcome === 'pending' || isInParent(entry.outcome))
	);
	if (isInside) return null;
	const capacity = parent.capacity ?? Infinity;
	if (shownCount(parent, entries) >= capacity) return 'parent_full';
	// One that its last child completed opens again with the child that leaves it.
	const reopens = parent.count >= capacity;
	return parent.status === 'completed' && !reopens ? 'parent_completed' : null;
}

/** Whether this entry opened a parent, or tried to. */
export function isOpeningEntry({ kind, into, outcome, isUnsorted }: Entry): boolean {
	return kind === 'scan' && into === null && !isUnsorted && outcome !== 'no_parent_open';
}

/** What was open before a parent was refused: the last one that was not refused itself. `entries`: newest first. */
export function parentBefore(refused: Entry, entries: Entry[], isRefused: (outcome: string) => boolean): string | null {
	let before = refused.before;
	for (const entry of entries.slice(entries.indexOf(refused) + 1)) {
		if (entry.code !== before || !isOpeningEntry(entry)) continue;
		if (!isRefused(entry.outcome)) break;
		before = entry.before;
	}
	return before;
}

/** What a device remembers of a person's parents. */
export interface RememberedParents {
	open: OpenParent | null;
	/** Those that were left, the last one first. */
	left: OpenParent[];
}

/** As many were never refused in a row. */
const MAX_LEFT = 8;
const key = (userId: number) => `traitortrack-parent-${userId}`;

/** The parents with another one open; null closes the open one. */
export function withOpen({ open, left }: RememberedParents, next: OpenParent | null): RememberedParents {
	if (!open || open.code === next?.code) return { open: next, left };
	const others = left.filter(({ code }) => code !== open.code && code !== next?.code);
	return { open: next, left: [open, ...others].slice(0, MAX_LEFT) };
}

export function rememberParents(userId: number, parents: RememberedParents): void {
	try {
		localStorage.setItem(key(userId), JSON.stringify(parents));
	} catch {
		// No room: the parent is scanned again after a reload.
	}
}

/** The parents as they were when the page was left. */
export function recallParents(userId: number): RememberedParents {
	try {
		const stored = JSON.parse(localStorage.getItem(key(userId)) ?? 'null') as OpenParent | RememberedParents | null;
		// Earlier versions of the app have stored the open parent alone.
		const parents = stored && 'code' in stored ? { open: stored, left: [] } : (stored ?? { open: null, left: [] });
		return { ...parents, open: parents.open && { ...parents.open, isKnown: false } };
	} catch {
		return { open: null, left: [] };
	}
}
