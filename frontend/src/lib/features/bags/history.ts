import type { Schemas } from '$lib/api/client';
import { date, dateTime } from '$lib/format';
import { m } from '$lib/paraglide/messages.js';
import { outcomeWords } from '$lib/outcomes/outcome';

type Entry = Schemas['HistoryEntry'];

/** Outcomes that need no words beside the event itself. */
const PLAIN = ['opened', 'found', 'linked', 'undone'];

/** What happened, in words, with the code of another bag in their midst where there is one. */
export interface Headline {
	before: string;
	code: string | null;
	after: string;
}

/** Stands for the code while a sentence is made, so that each language puts it where it belongs. */
const PLACE = '\u0001';

const plain = (text: string): Headline => ({ before: text, code: null, after: '' });

function around(sentence: (names: { parent: string }) => string, code: string | null): Headline {
	const [before = '', after = ''] = sentence({ parent: PLACE }).split(PLACE);
	return { before, code: code ?? '?', after };
}

/** What happened to the bag `here`, or to a child of it. */
export function headlineOf(entry: Entry, here: string): Headline {
	const headline = eventOf(entry, here);
	if (!entry.outcome || PLAIN.includes(entry.outcome)) return headline;
	return { ...headline, after: `${headline.after}: ${outcomeWords(entry.outcome)}` };
}

function eventOf(entry: Entry, here: string): Headline {
	const to = entry.parent_qr_code;
	const from = textIn(entry.details, 'before', 'parent_qr_code');
	const isOfChild = entry.qr_code !== here;
	switch (entry.event) {
		case 'scan_parent':
			return plain(m.event_scan_parent());
		case 'scan_child':
			return isOfChild ? plain(m.event_scanned_in()) : around(m.event_scan_child, to);
		case 'scan_lookup':
			return plain(m.event_scan_lookup());
		case 'scan_undo':
			return plain(m.event_scan_undo());
		case 'bag_created':
			return plain(m.event_bag_created());
		case 'bag_changed':
			return plain(m.event_bag_changed());
		case 'parent_completed':
			return plain(
				textIn(entry.details, 'after', 'by') === 'last_child' ? m.event_parent_full() : m.event_parent_completed()
			);
		case 'parent_reopened':
			return plain(reopenedOf(entry));
		case 'child_linked':
			return isOfChild ? plain(m.event_put_in()) : around(m.event_child_linked_to, to);
		case 'child_unlinked':
			return isOfChild ? plain(m.event_taken_out()) : around(m.event_child_unlinked_from, from);
		case 'child_moved':
			return isOfChild && to === here ? around(m.event_child_moved_here, from) : around(m.event_child_moved, to);
		default:
			return plain(m.event_other({ event: entry.event.replaceAll('_', ' ') }));
	}
}

function reopenedOf(entry: Entry): string {
	const by = textIn(entry.details, 'after', 'by');
	if (by === 'child_removed') return m.event_parent_reopened_taken();
	return by === 'undo' ? m.event_parent_reopened_undo() : m.event_parent_reopened();
}

/** The changed fields of a bag before and after, in words; empty for all other events. */
export function changesOf(entry: Entry): string[] {
	if (entry.event !== 'bag_changed') return [];
	const fields = [
		{ name: 'name', field: m.name(), none: m.bag_no_name() },
		{ name: 'dispatch_area', field: m.area(), none: m.no_area() }
	];
	return fields
		.map(({ name, field, none }) => ({
			field,
			before: textIn(entry.details, 'before', name) ?? none,
			after: textIn(entry.details, 'after', name) ?? none
		}))
		.filter(({ before, after }) => before !== after)
		.map((change) => m.bag_change_of(change));
}

function textIn(details: unknown, side: 'before' | 'after', name: string): string | null {
	const fields = isRecord(details) ? details[side] : null;
	const value = isRecord(fields) ? fields[name] : null;
	return typeof value === 'string' ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}

export interface Day {
	/** Of this device's calendar, as 2026-03-01. */
	key: string;
	label: string;
	entries: Entry[];
}

/** The entries by day, in the order they came. */
export function byDay(entries: Entry[], now = new Date()): Day[] {
	const days: Day[] = [];
	for (const entry of entries) {
		const key = dayKey(new Date(entry.at));
		const last = days.at(-1);
		if (last?.key === key) last.entries.push(entry);
		else days.push({ key, label: dayName(key, entry.at, now), entries: [entry] });
	}
	return days;
}

function dayName(key: string, at: string, now: Date): string {
	if (key === dayKey(now)) return m.bag_today();
	const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
	return key === dayKey(yesterday) ? m.bag_yesterday() : date(at);
}

function dayKey(moment: Date): string {
	const two = (value: number) => String(value).padStart(2, '0');
	return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** When something was done, and by whom where that is known. */
export function whenAndWho(at: string, who: string | null): string {
	return who ? `${dateTime(at)} ${m.by({ name: who })}` : dateTime(at);
}
