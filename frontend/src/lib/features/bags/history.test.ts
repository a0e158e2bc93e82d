import { describe, expect, it } from 'vitest';
import type { Schemas } from '$lib/api/client';
import { byDay, changesOf, headlineOf } from './history';

type Entry = Schemas['HistoryEntry'];

/** Details are any JSON; the generated type knows only that they are an object. */
type Fields = Omit<Partial<Entry>, 'details'> & { details?: unknown };

const entry = (fields: Fields): Entry =>
	({
		id: '019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11',
		at: '2026-03-02T10:00:00Z',
		event: 'scan_child',
		actor: 'asha',
		qr_code: 'C1',
		parent_qr_code: null,
		outcome: null,
		source: null,
		undone_at: null,
		details: null,
		...fields
	}) as Entry;
const words = (fields: Fields, here: string) => {
	const { before, code, after } = headlineOf(entry(fields), here);
	return `${before}${code ?? ''}${after}`;
};

describe('headlineOf', () => {
	it('tells a move from both sides', () => {
		const move = {
			event: 'child_moved',
			parent_qr_code: 'SB2',
			details: { before: { parent_qr_code: 'SB1' }, after: { parent_qr_code: 'SB2' } }
		};
		expect(words(move, 'C1')).toBe('Moved to SB2');
		expect(words(move, 'SB1')).toBe('Moved to SB2');
		expect(words(move, 'SB2')).toBe('Moved from SB1');
	});

	it('says why a scan was refused', () => {
		expect(words({ parent_qr_code: 'SB1', outcome: 'parent_full' }, 'C1')).toBe('Scanned into SB1: Parent is full');
		expect(words({ parent_qr_code: 'SB1', outcome: 'linked' }, 'C1')).toBe('Scanned into SB1');
	});

	it('says what opened a parent again', () => {
		const reopened = { event: 'parent_reopened', qr_code: 'SB1' };
		expect(words({ ...reopened, details: { after: { by: 'undo' } } }, 'SB1')).toBe('Reopened: a scan was undone');
		expect(words(reopened, 'SB1')).toBe('Reopened');
	});
});

describe('changesOf', () => {
	it('names what is different', () => {
		const details = { before: { name: 'a' }, after: { name: 'b' } };
		expect(changesOf(entry({ event: 'bag_changed', details }))).toEqual(['Name: a → b']);
	});

	it('says nothing of other events', () => {
		expect(changesOf(entry({ details: { before: { name: 'a' }, after: { name: 'b' } } }))).toEqual([]);
	});
});

describe('byDay', () => {
	const at = (day: number, hour: number) => entry({ at: new Date(2026, 2, day, hour).toISOString() });

	it('keeps the order and names the days near', () => {
		const days = byDay([at(2, 15), at(2, 1), at(1, 23), at(0, 12)], new Date(2026, 2, 2, 18));
		expect(days.map((day) => day.entries.length)).toEqual([2, 1, 1]);
		expect(days.map((day) => day.label).slice(0, 2)).toEqual(['Today', 'Yesterday']);
		expect(days[2]?.key).toBe('2026-02-28');
	});
});
