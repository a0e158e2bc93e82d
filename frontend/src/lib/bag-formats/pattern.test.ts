import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern } from './pattern';

/** Patterns of everything that the server writes, over few characters, so that codes match them. */
const anyPattern = fc.letrec<{ pattern: string; part: string; atom: string }>((tie) => ({
	atom: fc.oneof(
		{ maxDepth: 4, withCrossShrink: true },
		fc.constantFrom('A', 'B', '1', '-', '[AB]', '[\\-1-9]', '[0-9A-Z]', '[]', '^', '$', '\\b', '\\B', '(?=\\w)'),
		fc.constantFrom('\\b(?<=\\w)', '(?<!\\w)', '(?!\\w)'),
		tie('pattern').map((inner) => `(?:${inner})`)
	),
	part: fc
		.tuple(tie('atom'), fc.constantFrom('', '', '', '?', '*', '+', '{2}', '{0,2}', '{1,}', '{1,3}', '+?'))
		.map(([atom, times]) => (/^(?:\[|\(\?:|[-A-Z0-9])/.test(atom) ? atom + times : atom)),
	pattern: fc
		.array(fc.array(tie('part'), { maxLength: 4 }), { minLength: 1, maxLength: 3 })
		.map((choices) => choices.map((parts) => parts.join('')).join('|'))
}));

describe('compilePattern', () => {
	it('finds what the browser finds', () => {
		const codes = fc.array(fc.string({ unit: fc.constantFrom('A', 'B', '1', '-'), maxLength: 6 }), { minLength: 1 });
		fc.assert(
			fc.property(anyPattern.pattern, codes, (source, texts) => {
				const pattern = compilePattern(source);
				const expected = new RegExp(source);
				for (const text of texts) expect(pattern?.(text), `${source} on ${text}`).toBe(expected.test(text));
			}),
			{ numRuns: 2_000 }
		);
	});

	it('leaves what the server does not write', () => {
		for (const source of [
			'(A',
			'A)',
			'[A',
			'a',
			'(?i)A',
			'(A)',
			'\\d',
			'.',
			'A{',
			'{2}',
			'*',
			'(?=A)',
			'[^A]',
			'[B-A]'
		])
			expect(compilePattern(source), source).toBeNull();
		expect(compilePattern('(?:(?:A{200}){200}){200}')).toBeNull();
	});

	it('takes no longer for a pattern on which browsers search for ever', () => {
		const hostile = ['^(?:A+)+B$', '^(?:A|A)*B$', '^(?:(?:A*)*)*B$', '^(?:A?){64}A{64}$', '^(?:[0-9A-Z]+-?)+-$'];
		for (const source of hostile) expect(compilePattern(source)?.('A'.repeat(63)), source).toBe(false);
	});
});
