import { describe, expect, it } from 'vitest';
import { exampleOf, normalise, patternOf, prefixesOf, readPattern, shapeOf, whichFormat } from './pattern';

const BUILT_IN = [
	{ name: 'Child', pattern: '[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]', priority: 1000 },
	{ name: 'Mustard', pattern: 'SB[0-9]{5,62}', priority: 10 },
	{ name: 'Moong', pattern: 'M444-[0-9]{5}', priority: 20 }
];

const nameOf = (typed: string, formats = BUILT_IN) => {
	const verdict = whichFormat(typed, formats);
	return 'format' in verdict ? `${verdict.kind} ${verdict.format.name}` : verdict.kind;
};

describe('which format takes a code', () => {
	// The cases of the server's own tests.
	it.each([
		['SB12345', 'Mustard'],
		['SB123456789', 'Mustard'],
		['M444-12345', 'Moong'],
		['SB1234', 'Child'],
		['M444-1234', 'Child'],
		['M444-123456', 'Child'],
		['CB-1', 'Child'],
		['SB12345X', 'Child'],
		[' sb12345 ', 'Mustard']
	])('%s is of %s', (code, name) => expect(nameOf(code)).toBe(`format ${name}`));

	it.each(['', 'AB', '-AB', 'AB-', 'AB 12', "CB'; DROP TABLE bags", '<script>', '📦📦📦', 'ÄÖÜ12', 'A'.repeat(65)])(
		'%j is no code',
		(code) => expect(nameOf(code)).toBe('malformed')
	);

	it('says so when nothing takes it', () => {
		expect(nameOf('XY', [])).toBe('malformed');
		expect(nameOf('XYZ', [])).toBe('none');
	});

	it('finds torn labels and product barcodes among what only the last format takes', () => {
		const [child, ...parents] = BUILT_IN;
		const formats = [
			{ name: 'Child', pattern: '', priority: 1000, ...child, is_catch_all: true },
			...parents.map((format) => ({ ...format, literal_prefixes: prefixesOf(format.pattern) }))
		];
		for (const code of ['SB1234', 'M444-123456', 'SB12345X', 'M444'])
			expect(nameOf(code, formats)).toBe('looks_like_parent');
		expect(nameOf('4006381333931', formats)).toBe('product_barcode');
		expect(nameOf('4006381333932', formats)).toBe('format Child');
		expect(nameOf('SB12345', formats)).toBe('format Mustard');
	});

	it('reads what the server has written for browsers, whatever the pattern is', () => {
		const wheat = { name: 'Wheat', pattern: '(?i)wh[[:digit:]]+', priority: 15, ecmascript_pattern: '^WH[0-9]+$' };
		expect(nameOf('WH12', [...BUILT_IN, wheat])).toBe('format Wheat');
		expect(nameOf('CB-1', [...BUILT_IN, wheat])).toBe('format Child');
	});

	it('does not guess past a pattern that it can not read', () => {
		const odd = { name: 'Odd', pattern: '(?i)wh[0-9]+', priority: 15 };
		expect(nameOf('SB12345', [...BUILT_IN, odd])).toBe('format Mustard');
		expect(nameOf('M444-12345', [...BUILT_IN, odd])).toBe('unsure Odd');
	});
});

describe('reading a pattern', () => {
	it.each(['WH[0-9]{6}', '(?:AB|CD)-[0-9]+', '[A-Z]{2}\\d{4,}', 'X(1|2)?Y*'])('%s is read', (pattern) =>
		expect(readPattern(pattern)).toBeInstanceOf(RegExp)
	);
	it.each([
		'(?i)ab',
		'\\pL+',
		'[[:alpha:]]',
		'[A-Z&&[^Q]]',
		'[A-Z--Q]',
		'(?=A)B',
		'(A)\\1',
		'A{,3}',
		'\\x41',
		'(',
		'{2}'
	])('%s is left to the server', (pattern) => expect(readPattern(pattern)).toBeNull());
});

it('the beginning of a shape is special when it has two characters or more', () => {
	expect(prefixesOf('WH-[0-9]{6}')).toEqual(['WH-']);
	expect(prefixesOf('P[0-9]{6}')).toEqual([]);
	expect(prefixesOf('[A-Z]+')).toEqual([]);
});

describe('simple shapes', () => {
	it('are read from patterns and written back', () => {
		for (const { pattern } of BUILT_IN.slice(1)) {
			const shape = shapeOf(pattern);
			expect(shape && patternOf(shape)).toBe(pattern);
		}
		expect(shapeOf('[A-Z]+')).toBeNull();
		expect(patternOf({ start: 'wh.', leastDigits: 6, mostDigits: 2 })).toBe('WH[0-9]{6}');
	});

	it('give an example that their pattern takes', () => {
		const shape = { start: 'WH-', leastDigits: 6, mostDigits: 8 };
		expect(readPattern(patternOf(shape))?.test(exampleOf(shape))).toBe(true);
	});
});

it('codes are normalised as on the server', () => {
	expect(normalise('\tSb12345\r\n')).toBe('SB12345');
	expect(normalise('AB\nCD')).toBeNull();
});
