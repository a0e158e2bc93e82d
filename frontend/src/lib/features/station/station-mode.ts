import type { Source } from '$lib/features/outbox/actions';
import type { Entry, Feed } from './feed.svelte';

/** What the screen needs of either way of working: packing parents, or putting parents on a bill. */
export interface StationMode {
	readonly feed: Feed;
	/** The newest entry that can be taken back. */
	readonly undoable: Entry | null;
	/** Takes a code that was scanned or typed. */
	scan(scanned: string, source: Source): void;
	undo(entry: Entry): void;
	/** Brings a child that is elsewhere into the open parent. */
	moveHere(entry: Entry): void;
	stop(): void;
}
