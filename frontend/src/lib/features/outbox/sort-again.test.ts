import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BagFormats, type BagFormat } from '$lib/bag-formats/formats';
import { uuidv7 } from '$lib/uuidv7';
import { isOpening, type QueuedAction, type NewAction, type ScanAction } from './actions';
import { differences, openInstead, sortAgain } from './sort-again';

const shared = JSON.parse(
	readFileSync(new URL('../../../../../api/tests/it/fixtures/code_verdicts.json', import.meta.url), 'utf8')
) as { formats: Record<string, BagFormat[]> };
/** Two parents, and `WH` with six digits, which the station did not know. */
const formats = new BagFormats(shared.formats['own_parent'] ?? []);

const act = (what: NewAction, change: Partial<QueuedAction> = {}): QueuedAction =>
	({ ...what, id: uuidv7(), user_id: 7, username: 'asha', at: new Date(0).toISOString(), ...change }) as QueuedAction;
const scan = (qr_code: string, parent_qr_code: string | null, change: Partial<ScanAction> = {}) =>
	act({ kind: 'scan', qr_code, parent_qr_code, source: 'wedge' }, change);

/** `code>parent` for each act. */
const brief = (acts: QueuedAction[]) =>
	acts.map(
		(one) =>
			`${one.qr_code}>${('parent_qr_code' in one && one.parent_qr_code) || (one.kind === 'scan' ? 'open' : one.kind)}`
	);

describe('sorting again with newer formats', () => {
	it('opens what was scanned as a child, and puts into it what came behind it', () => {
		const acts = [
			scan('SB12345', null),
			scan('CB-1', 'SB12345'),
			scan('WH000001', 'SB12345'),
			scan('CB-2', 'SB12345'),
			act({ kind: 'complete', qr_code: 'SB12345' }),
			scan('WH000002', 'SB12345'),
			scan('CB-3', 'SB12345'),
			scan('SB12345', null),
			scan('CB-4', 'SB12345')
		];
		const sorted = sortAgain(acts, formats);
		expect(brief(sorted)).toEqual([
			'SB12345>open',
			'CB-1>SB12345',
			'WH000001>open',
			'CB-2>WH000001',
			'WH000001>complete',
			'WH000002>open',
			'CB-3>WH000002',
			'SB12345>open',
			'CB-4>SB12345'
		]);
		expect(sorted.map(({ id }) => id)).toEqual(acts.map(({ id }) => id));
		expect(sorted.map((one) => 'open_before' in one && one.open_before)).toEqual([
			...[false, false, 'SB12345', false, false, 'WH000001', false, false, false]
		]);
		expect(differences(acts, sorted)).toHaveLength(5);
	});

	it('leaves what may have reached the server, what was shown as refused, and other parents', () => {
		const acts = [
			scan('WH000001', 'SB12345', { attempted: true }),
			scan('WH000002', 'SB12345', { shown_as: 'looks_like_parent' }),
			scan('CB-1', 'SB12345'),
			act({ kind: 'bill_add', bill_number: 'BILL-1', qr_code: 'WH000001' })
		];
		expect(sortAgain(acts, formats)).toEqual(acts);
		const between = [
			scan('WH000001', 'SB12345'),
			scan('CB-1', 'SB99999'),
			scan('CB-2', 'SB12345', { attempted: true })
		];
		expect(brief(sortAgain(between, formats))).toEqual(['WH000001>open', 'CB-1>SB99999', 'CB-2>SB12345']);
	});

	it('leaves no parent among the children, loses nothing, and changes nothing the second time', () => {
		const anyScan = fc
			.tuple(fc.constantFrom('WH000001', 'WH000002', 'CB-1', 'CB-2', 'SB12345', 'M444-1'), fc.boolean())
			.map(([code, isAttempted]) =>
				scan(code, code === 'SB12345' ? null : 'SB12345', isAttempted ? { attempted: true } : {})
			);
		fc.assert(
			fc.property(fc.array(anyScan, { maxLength: 12 }), (acts) => {
				const sorted = sortAgain(acts, formats);
				expect(sorted.map(({ qr_code, id }) => [qr_code, id])).toEqual(acts.map(({ qr_code, id }) => [qr_code, id]));
				let open = '';
				for (const one of sorted) {
					if (one.kind !== 'scan') continue;
					if (isOpening(one)) open = one.qr_code;
					if (isOpening(one) || one.attempted) continue;
					expect(formats.verdictOf(one.qr_code)).not.toBe('parent');
					if (open) expect(one.parent_qr_code).toBe(open);
				}
				expect(differences(sorted, sortAgain(sorted, formats))).toEqual([]);
			})
		);
	});
});

describe('sorting what was scanned before any formats were known', () => {
	const due = (qr_code: string, open_before?: string | null) =>
		scan(qr_code, null, { sorting: 'due', ...(open_before === undefined ? {} : { open_before }) });

	it('opens parents, and puts children into the one before them', () => {
		const acts = [due('SB12345'), due('CB-1'), due('WH000001'), due('CB-2'), scan('SB12346', null), due('CB-3')];
		const sorted = sortAgain(acts, formats);
		expect(brief(sorted)).toEqual([
			'SB12345>open',
			'CB-1>SB12345',
			'WH000001>open',
			'CB-2>WH000001',
			'SB12346>open',
			'CB-3>SB12346'
		]);
		expect(sorted.every((one) => isOpening(one) || ('parent_qr_code' in one && one.parent_qr_code))).toBe(true);
		expect(differences(sorted, sortAgain(sorted, formats))).toEqual([]);
	});

	it('knows the parent that was open, and that none was after the next one had been asked for', () => {
		const acts = [due('CB-1', 'SB12345'), due('CB-2', null), due('CB-3'), due('SB12346'), due('CB-4')];
		const sorted = sortAgain(acts, formats);
		expect(sorted.map((one) => ('parent_qr_code' in one ? one.parent_qr_code : ''))).toEqual([
			'SB12345',
			null,
			null,
			null,
			'SB12346'
		]);
		expect(sorted.map((one) => one.kind === 'scan' && one.shown_as)).toEqual([
			undefined,
			'no_parent_open',
			'no_parent_open',
			undefined,
			undefined
		]);
		expect(sorted.map(isOpening)).toEqual([false, false, false, true, false]);
	});
});

describe('opening what the server knows as a parent', () => {
	it('gives it an id of its own, of the time of the scan, and takes along what came behind it', () => {
		const at = new Date(Date.now() - 3_600_000).toISOString();
		const acts = [scan('OLD-1', 'SB12345', { attempted: true, at }), scan('CB-1', 'SB12345')];
		const [opening, child] = openInstead(acts, acts[0]?.id ?? '');
		expect(opening).toMatchObject({ parent_qr_code: null, open_before: 'SB12345', was_child: true, at });
		expect(opening).not.toHaveProperty('attempted');
		expect(opening?.id).not.toBe(acts[0]?.id);
		expect(Number.parseInt((opening?.id ?? '').replace('-', '').slice(0, 12), 16)).toBe(Date.parse(at));
		expect(child).toMatchObject({ id: acts[1]?.id, parent_qr_code: 'OLD-1' });
	});

	it('leaves the rest where it is when the packer was shown a refusal', () => {
		const shown = scan('SB1', 'SB12345', { attempted: true, shown_as: 'looks_like_parent' });
		expect(brief(openInstead([shown], shown.id))).toEqual(['SB1>open']);
		const acts = [shown, scan('CB-1', 'SB12345')];
		expect(openInstead(acts, shown.id)).toBe(acts);
	});

	it('changes nothing for acts that are gone, or open a parent', () => {
		const acts = [scan('SB12345', null)];
		expect(openInstead(acts, acts[0]?.id ?? '')).toBe(acts);
		expect(openInstead(acts, 'gone')).toBe(acts);
	});
});
