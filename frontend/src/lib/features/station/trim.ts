import type { Entry } from './feed.svelte';

/** As many are there to look back at. */
export const RECENT = 60;

/**
 * The entries that are still needed: the newest, what waits to be sent, and what went where the newest scan goes. The
 * last two count: parents hold up to 1,000 children. `entries`: newest first.
 */
export function trimmed(entries: Entry[], recent = RECENT): Entry[] {
	if (entries.length <= recent) return entries;
	const newest = entries.find(({ kind }) => kind === 'scan' || kind === 'bill_add');
	const target = newest && (newest.into ?? newest.code);
	return entries.filter(({ outcome, into }, at) => at < recent || outcome === 'pending' || into === target);
}
