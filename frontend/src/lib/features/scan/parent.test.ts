import { describe, expect, it } from 'vitest';
import type { Entry } from './feed.svelte';
import { isParentCode, shownCount, type OpenParent } from './parent';

const PARENT: OpenParent = { code: 'SB12345', count: 5, capacity: 30, status: 'open', isKnown: true };

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
	...change
});

describe('shownCount', () => {
	it('counts scans on their way, each bag once', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'pending'), entry('CB-1', 'pending'), entry('CB-2', 'pending')])).toBe(7);
	});

	it('does not count a bag again that is in it', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'pending'), entry('CB-1', 'linked')])).toBe(5);
	});

	it('takes off what is being taken back', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'linked', { isUndoing: true })])).toBe(4);
		expect(shownCount(PARENT, [entry('CB-1', 'pending', { isUndoing: true })])).toBe(5);
	});

	it('leaves out other parents, and never shows more than fit', () => {
		expect(shownCount(PARENT, [entry('CB-1', 'pending', { into: 'SB99999' })])).toBe(5);
		const many = Array.from({ length: 40 }, (_, n) => entry(`CB-${n}`, 'pending'));
		expect(shownCount(PARENT, many)).toBe(30);
	});
});

describe('isParentCode', () => {
	it('knows the built-in formats', () => {
		expect(['SB12345', 'SB123456789', 'M444-12345'].every(isParentCode)).toBe(true);
		expect(['SB1234', 'M444-1234', 'M444-123456', 'CB-1', 'SB-12345'].some(isParentCode)).toBe(false);
	});
});
