import type { Schemas } from '$lib/api/client';
import { wordsOf } from '$lib/features/scan/outcome';
import { dateTime } from '$lib/format';
import { m } from '$lib/paraglide/messages.js';

type Entry = Schemas['HistoryEntry'];

/** Outcomes that need no words beside the event itself. */
const PLAIN = ['opened', 'found', 'linked', 'undone'];

/** What happened, in a few words of the person's language. */
export function headlineOf(entry: Entry): string {
	const headline = eventOf(entry);
	return entry.outcome && !PLAIN.includes(entry.outcome) ? `${headline}: ${wordsOf(entry.outcome, null)}` : headline;
}

function eventOf(entry: Entry): string {
	switch (entry.event) {
		case 'scan_parent':
			return m.event_scan_parent();
		case 'scan_child':
			return m.event_scan_child({ parent: entry.parent_qr_code ?? '?' });
		case 'scan_lookup':
			return m.event_scan_lookup();
		case 'scan_undo':
			return m.event_scan_undo();
		case 'bag_created':
			return m.event_bag_created();
		case 'bag_changed':
			return m.event_bag_changed();
		case 'parent_completed':
			return m.event_parent_completed();
		case 'parent_reopened':
			return m.event_parent_reopened();
		case 'child_linked':
			return m.event_child_linked();
		case 'child_unlinked':
			return m.event_child_unlinked();
		case 'child_moved':
			return m.event_child_moved({ parent: entry.parent_qr_code ?? '?' });
		default:
			return m.event_other({ event: entry.event.replaceAll('_', ' ') });
	}
}

/** When something was done, and by whom where that is known. */
export function whenAndWho(at: string, who: string | null): string {
	return who ? `${dateTime(at)} ${m.by({ name: who })}` : dateTime(at);
}
