import { expect, it } from 'vitest';
import { codesIn } from './codes';

it('finds codes on lines, between commas and out of a spreadsheet, in order', () => {
	expect(codesIn(' SB1\r\nSB2, sb3;SB4\tSB5\n\n')).toEqual(['SB1', 'SB2', 'sb3', 'SB4', 'SB5']);
	expect(codesIn(' \n,')).toEqual([]);
});
