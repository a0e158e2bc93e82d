import { describe, expect, it } from 'vitest';
import type { ActionResult } from '$lib/features/outbox/actions';
import { billOutcomeOf, billRefusalOf, isOnBill, shownOnBill } from './bill-rules';
import type { Entry } from './feed.svelte';

const entry = (code: string, outcome: string, isUndoing = false): Entry => ({
	id: `${code}-${outcome}`,
	kind: 'bill_add',
	code,
	into: 'BILL-1',
	outcome,
	elsewhere: null,
	warning: null,
	count: null,
	at: 0,
	isUndoing,
	before: null,
	fills: false,
	isUnsorted: false
});

const result = (outcome: string): ActionResult => ({
	act: {
		kind: 'bill_add',
		bill_number: 'BILL-1',
		qr_code: 'SB12345',
		id: 'id',
		user_id: 7,
		username: 'bina',
		at: '2026-01-01T00:00:00Z'
	},
	outcome,
	bag: null,
	parent: null,
	elsewhere: null,
	bill: null,
	warning: null
});

describe('a bill', () => {
	it('takes parents, and what only the server can place', () => {
		expect(billRefusalOf('parent')).toBeNull();
		expect(billRefusalOf('undetermined')).toBeNull();
		expect(billRefusalOf('child')).toBe('kind_mismatch');
		for (const fault of ['looks_like_parent', 'product_barcode', 'invalid_qr_code'] as const)
			expect(billRefusalOf(fault)).toBe(fault);
	});

	it('says why no bag can have a code, where the server says that none has', () => {
		expect(billOutcomeOf(result('not_found'), 'looks_like_parent')).toBe('looks_like_parent');
		expect(billOutcomeOf(result('not_found'), 'parent')).toBe('not_found');
		// Made before its format was changed: the server takes it.
		expect(billOutcomeOf(result('added'), 'looks_like_parent')).toBe('added');
	});

	it('counts bags on their way on or off, each once', () => {
		expect(shownOnBill(4, [entry('SB1', 'pending'), entry('SB1', 'pending'), entry('SB2', 'pending')])).toBe(6);
		expect(shownOnBill(4, [entry('SB1', 'pending'), entry('SB1', 'added')])).toBe(4);
		expect(shownOnBill(4, [entry('SB1', 'added', true), entry('SB1', 'already_on_this_bill', true)])).toBe(3);
		expect(shownOnBill(4, [entry('SB1', 'pending', true), entry('SB2', 'bill_at_capacity', true)])).toBe(4);
		expect(shownOnBill(0, [entry('SB1', 'added', true)])).toBe(0);
	});

	it('knows what was put on it here', () => {
		expect(isOnBill('SB1', [entry('SB1', 'pending')])).toBe(true);
		expect(isOnBill('SB1', [entry('SB1', 'bill_at_capacity'), entry('SB1', 'added')])).toBe(true);
		for (const not of [
			entry('SB1', 'removed'),
			entry('SB1', 'added', true),
			entry('SB1', 'already_billed'),
			entry('SB2', 'added')
		])
			expect(isOnBill('SB1', [not])).toBe(false);
	});
});
