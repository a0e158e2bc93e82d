import { describe, expect, it } from 'vitest';
import { checkPassword } from './password-rules';

const broken = (password: string, username?: string) =>
	checkPassword(password, username)
		.filter(({ isMet }) => !isMet)
		.map(({ rule }) => rule);

describe('checkPassword', () => {
	it('names every rule that is broken', () => {
		expect(broken('')).toEqual(['length', 'upper', 'lower', 'digit', 'sign']);
		expect(broken('Aa1-')).toEqual(['length']);
		expect(broken('correct-horse7')).toEqual(['upper']);
		expect(broken('CORRECT-HORSE7')).toEqual(['lower']);
		expect(broken('Correct-Horse')).toEqual(['digit']);
		expect(broken('CorrectHorse7')).toEqual(['sign']);
		expect(broken(`Aa1-${'x'.repeat(125)}`)).toEqual(['length']);
		expect(broken('Correct-Horse7')).toEqual([]);
	});

	it('counts letters of any script, and characters rather than code units', () => {
		expect(broken('Äé1-😀😀😀😀')).toEqual([]);
		expect(broken('Aa1घरनमक')).toEqual(['sign']);
		expect(broken('Aa1-घरन')).toEqual(['length']);
	});

	it('wants the user name left out, whatever the case', () => {
		expect(broken('My-Asha-77', 'asha')).toEqual(['username']);
		expect(broken('My-Usha-77', 'asha')).toEqual([]);
	});
});
