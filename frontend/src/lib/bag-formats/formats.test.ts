import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BagFormats, type BagFormat } from './formats';

/** The server's own tests decide the same cases. */
const shared = JSON.parse(
	readFileSync(new URL('../../../../api/tests/it/fixtures/code_verdicts.json', import.meta.url), 'utf8')
) as { formats: Record<string, BagFormat[]>; cases: { formats: string; code: string; verdict: string }[] };

const formatsOf = (name: string) => new BagFormats(shared.formats[name] ?? []);
const builtIn = formatsOf('built_in');

describe('what a code counts as', () => {
	it.each(shared.cases)('$code is $verdict with the formats $formats', ({ formats, code, verdict }) => {
		expect(formatsOf(formats).verdictOf(code)).toBe(verdict);
	});

	it('is left to the server behind a pattern that can not be read', () => {
		const odd: BagFormat = { kind: 'parent', ecmascript_pattern: '\\p{Lu}', literal_prefixes: [], is_catch_all: false };
		const [mustard, ...rest] = shared.formats['built_in'] ?? [];
		const formats = new BagFormats([mustard as BagFormat, odd, ...rest]);
		expect(formats.verdictOf('SB12345')).toBe('parent');
		expect(formats.verdictOf('CB-1')).toBe('undetermined');
		expect(formats.verdictOf('?')).toBe('invalid_qr_code');
		expect(formats.capacityOf('CB-1')).toBeNull();
	});

	it('a torn parent label is never a child, wherever it is torn', () => {
		const label = fc.oneof(
			fc.integer({ min: 10_000 }).map((number) => `SB${number}`),
			fc.integer({ min: 10_000, max: 99_999 }).map((number) => `M444-${number}`)
		);
		fc.assert(
			fc.property(label, fc.nat(20), (code, cut) => {
				const verdict = builtIn.verdictOf(code.slice(0, Math.max(3, cut)));
				expect(['parent', 'looks_like_parent', 'invalid_qr_code']).toContain(verdict);
			})
		);
	});

	it('a number with a right check digit is a product, with any other a child', () => {
		const body = fc.constantFrom(7, 11, 12, 13).chain((length) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`)));
		fc.assert(
			fc.property(body, (digits) => {
				const verdicts = Array.from({ length: 10 }, (_, check) => builtIn.verdictOf(`${digits}${check}`));
				expect(verdicts.filter((verdict) => verdict === 'product_barcode')).toHaveLength(1);
				expect(verdicts.filter((verdict) => verdict === 'child')).toHaveLength(9);
			})
		);
	});

	it('is decided for any text', () => {
		fc.assert(
			fc.property(fc.string({ unit: 'binary' }), (text) => {
				for (const name of Object.keys(shared.formats)) expect(formatsOf(name).verdictOf(text)).toBeTruthy();
			})
		);
	});
});

it('the capacity is that of the format', () => {
	const [mustard] = shared.formats['built_in'] ?? [];
	const formats = new BagFormats([{ ...(mustard as BagFormat), capacity: 12 }]);
	expect(formats.capacityOf('SB12345')).toBe(12);
	expect(formats.capacityOf('CB-1')).toBeNull();
});
