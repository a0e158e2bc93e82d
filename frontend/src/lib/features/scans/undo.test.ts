import { describe, expect, it } from 'vitest';
import type { Schemas } from '$lib/api/client';
import { isLate, mayUndo } from './undo';

const NOON = Date.parse('2026-03-01T12:00:00Z');
const scan = (fields: Partial<Schemas['Scan']> = {}): Schemas['Scan'] => ({
	id: '019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11',
	kind: 'child',
	outcome: 'linked',
	qr_code: 'C1',
	parent_qr_code: 'SB1',
	user: { id: 7, username: 'asha' },
	dispatch_area: 'Lucknow',
	source: 'wedge',
	scanned_at: '2026-03-01T11:30:00Z',
	recorded_at: '2026-03-01T11:30:01Z',
	undone_at: null,
	undone_by: null,
	...fields
});
const ASHA = { id: 7, mayMove: false };
const RAVI = { id: 8, mayMove: false };
const SHANTI = { id: 9, mayMove: true };

describe('mayUndo', () => {
	it('is for the person who scanned, and for billers and admins', () => {
		expect([ASHA, RAVI, SHANTI].map((person) => mayUndo(scan(), person, NOON))).toEqual([true, false, true]);
	});

	it('ends after an hour, for everybody', () => {
		const old = scan({ scanned_at: '2026-03-01T10:59:00Z' });
		expect([ASHA, SHANTI].map((person) => mayUndo(old, person, NOON))).toEqual([false, false]);
	});

	it('is for links that still stand', () => {
		expect(mayUndo(scan({ undone_at: '2026-03-01T11:31:00Z' }), ASHA, NOON)).toBe(false);
		expect(mayUndo(scan({ outcome: 'already_linked' }), ASHA, NOON)).toBe(false);
	});
});

describe('isLate', () => {
	it('tells scans that waited for the network', () => {
		expect(isLate(scan())).toBe(false);
		expect(isLate(scan({ recorded_at: '2026-03-01T12:30:00Z' }))).toBe(true);
	});
});
