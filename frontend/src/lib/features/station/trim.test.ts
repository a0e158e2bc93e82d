import { describe, expect, it } from 'vitest';
import type { Entry } from './feed.svelte';
import { newParent, refusalOfChild, shownCount } from './parent';
import { RECENT, trimmed } from './trim';

const scan = (code: string, into: string | null, outcome = 'pending'): Entry => ({
	id: code,
	kind: 'scan',
	code,
	into,
	outcome,
	elsewhere: null,
	warning: null,
	count: null,
	at: 0,
	isUndoing: false,
	before: null,
	fills: false,
	isUnsorted: false
});

/** Scans one after the other, as the feed takes them. */
const fed = (entries: Entry[]) => entries.reduce<Entry[]>((kept, entry) => trimmed([entry, ...kept]), []);

describe('the entries of the feed', () => {
	it('are enough to count a parent of any capacity without a network', () => {
		const parent = newParent('WH000001', 500);
		const entries = fed([
			scan('WH000001', null),
			...Array.from({ length: 500 }, (_, n) => scan(`CB-${n}`, 'WH000001'))
		]);
		expect(shownCount(parent, entries)).toBe(500);
		expect(refusalOfChild(parent, entries, 'CB-500')).toBe('parent_full');
		expect(refusalOfChild(parent, entries, 'CB-0')).toBeNull();
	});

	it('know every child that went into the open parent, also when it was answered', () => {
		const children = Array.from({ length: 200 }, (_, n) => scan(`CB-${n}`, 'WH000001', 'linked'));
		const parent = { ...newParent('WH000001', 200), count: 200 };
		expect(refusalOfChild(parent, fed(children), 'CB-0')).toBeNull();
	});

	it('are few when what is older has been answered', () => {
		const old = Array.from({ length: 200 }, (_, n) => scan(`CB-${n}`, 'SB12345', 'linked'));
		const entries = fed([...old, scan('SB12346', null), scan('CB-900', 'SB12346')]);
		expect(entries).toHaveLength(RECENT);
		expect(entries[0]?.code).toBe('CB-900');
	});
});
