import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Entry } from './feed.svelte';
import { isRefused } from '$lib/outcomes/outcome';
import { parentBefore, recallParents, refusalOfChild, rememberParents } from './parent';
import { newParent, shownCount, withOpen, type OpenParent } from './parent';

const PARENT: OpenParent = { code: 'SB12345', count: 5, capacity: 30, status: 'open', isKnown: true };
const SMALL: OpenParent = { ...PARENT, count: 1, capacity: 3 };

const entry = (code: string, outcome: string, change: Partial<Entry> = {}): Entry => ({
	id: `${code}-${outcome}`,
	kind: 'scan',
	code,
	into: PARENT.code,
	outcome,
	elsewhere: null,
	warning: null,
	count: null,
	at: 0,
	isUndoing: false,
	before: null,
	fills: false,
	isUnsorted: false,
	...change
});

describe('shownCount', () => {
	it('counts scans on their way, each bag once', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'pending'), entry('CB-1', 'pending'), entry('CB-2', 'pending')])).toBe(7);
	});

	it('does not count a bag again that is in it', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'pending'), entry('CB-1', 'linked')])).toBe(5);
	});

	it('takes off what is being taken back, and nothing that was refused', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'linked', { isUndoing: true })])).toBe(4);
		expect(shownCount(PARENT, [entry('CB-1', 'pending', { isUndoing: true })])).toBe(5);
		expect(shownCount(PARENT, [entry('CB-1', 'linked_elsewhere', { isUndoing: true })])).toBe(5);
	});

	it('leaves out other parents and what was refused, and never shows more than fit', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'pending', { into: 'SB99999' })])).toBe(5);
		expect(shownCount(PARENT, [entry('M444-1', 'looks_like_parent'), entry('CB-1', 'parent_full')])).toBe(5);
		const many = Array.from({ length: 40 }, (_, n) => entry(`CB-${n}`, 'pending'));
		expect(shownCount(PARENT, many)).toBe(30);
		expect(shownCount({ ...PARENT, capacity: null }, many)).toBe(45);
	});
});

describe('refusalOfChild', () => {
	it('takes children until the parent is full, by the capacity of its format', () => {
		expect(refusalOfChild(SMALL, [], 'CB-1')).toBeNull();
		expect(refusalOfChild(SMALL, [entry('CB-1', 'pending'), entry('CB-2', 'pending')], 'CB-3')).toBe('parent_full');
		expect(refusalOfChild({ ...SMALL, capacity: null, count: 500 }, [], 'CB-1')).toBeNull();
	});

	it('never refuses what is in it', () => {
		const full = [entry('CB-1', 'pending'), entry('CB-2', 'filled')];
		for (const code of ['CB-1', 'CB-2']) expect(refusalOfChild({ ...SMALL, count: 3 }, full, code)).toBeNull();
	});

	it('has room again for what is being taken back', () => {
		const parent = { ...SMALL, count: 3, status: 'completed' };
		expect(refusalOfChild(parent, [], 'CB-9')).toBe('parent_full');
		expect(refusalOfChild(parent, [entry('CB-1', 'filled', { isUndoing: true })], 'CB-9')).toBeNull();
	});

	it('knows a parent that was completed early', () => {
		expect(refusalOfChild({ ...SMALL, status: 'completed' }, [], 'CB-1')).toBe('parent_completed');
	});
});

describe('parentBefore', () => {
	const opening = (code: string, outcome: string, before: string | null) =>
		entry(code, outcome, { into: null, before, id: `${code}-${outcome}-${before}` });

	it('is the last parent that was not refused', () => {
		const own = opening('SB1', 'opened', null);
		const [a, b] = [opening('SB2', 'other_dispatch_area', 'SB1'), opening('SB3', 'other_dispatch_area', 'SB2')];
		expect(parentBefore(a, [a, own], isRefused)).toBe('SB1');
		expect(parentBefore(b, [b, entry('CB-1', 'pending'), a, own], isRefused)).toBe('SB1');
	});

	it('is none when there was none', () => {
		const first = opening('SB2', 'other_dispatch_area', null);
		const second = opening('SB3', 'other_dispatch_area', 'SB2');
		expect(parentBefore(first, [first], isRefused)).toBeNull();
		expect(parentBefore(second, [second, first], isRefused)).toBeNull();
	});

	it('minds how a parent was answered last, and ends for parents that name each other', () => {
		const early = opening('SB1', 'other_dispatch_area', 'SB0');
		const now = opening('SB1', 'opened', null);
		const refused = opening('SB2', 'other_dispatch_area', 'SB1');
		expect(parentBefore(refused, [refused, now, early], isRefused)).toBe('SB1');
		const back = opening('SB1', 'other_dispatch_area', 'SB2');
		expect(parentBefore(refused, [refused, back], isRefused)).toBe('SB2');
	});
});

describe('remembered parents', () => {
	const stored = new Map<string, string>();
	beforeEach(() => {
		stored.clear();
		vi.stubGlobal('localStorage', {
			getItem: (key: string) => stored.get(key) ?? null,
			setItem: (key: string, text: string) => stored.set(key, text)
		});
	});

	it('are there after a reload, with those that were left', () => {
		const second = newParent('SB2', 12);
		rememberParents(7, withOpen({ open: PARENT, left: [] }, second));
		expect(recallParents(7)).toEqual({ open: second, left: [PARENT] });
		expect(recallParents(8)).toEqual({ open: null, left: [] });
	});

	it('are each remembered once, and no more than a few', () => {
		let parents = { open: null as OpenParent | null, left: [] as OpenParent[] };
		for (const n of [1, 2, 1, 2, 3]) parents = withOpen(parents, newParent(`SB${n}`, 30));
		expect([parents.open, ...parents.left].map((parent) => parent?.code)).toEqual(['SB3', 'SB2', 'SB1']);
		for (let n = 0; n < 100; n += 1) parents = withOpen(parents, newParent(`SB${n}`, 30));
		expect(parents.left.length).toBeLessThan(10);
	});

	it('are read as earlier versions of the app have stored them', () => {
		stored.set('traitortrack-parent-7', JSON.stringify(PARENT));
		expect(recallParents(7).open).toMatchObject({ code: 'SB12345', count: 5 });
		stored.set('traitortrack-parent-7', '{');
		expect(recallParents(7).open).toBeNull();
	});
});
