import { expect, it } from 'vitest';
import { CsvReader } from './csv';

function read(...pieces: string[]): string[][] {
	const reader = new CsvReader();
	for (const piece of pieces) reader.push(piece);
	return reader.rows(true);
}

it('reads quotes, commas, line ends and empty cells', () => {
	expect(read('line,name\r\n2,"a, ""b""\nc"\r\n3,\r\n')).toEqual([
		['line', 'name'],
		['2', 'a, "b"\nc'],
		['3', '']
	]);
	expect(read('a,b\nc,d')).toEqual([
		['a', 'b'],
		['c', 'd']
	]);
	expect(read('')).toEqual([]);
});

it('reads the same wherever it is cut', () => {
	const text = 'line,code\r\n2,"x""y"\r\n3,ü\r\n';
	const whole = read(text);
	for (let cut = 0; cut < text.length; cut += 1) expect(read(text.slice(0, cut), text.slice(cut))).toEqual(whole);
});

it('keeps a row back that is not whole', () => {
	const reader = new CsvReader();
	reader.push('a,b\nc,');
	expect(reader.rows(false)).toEqual([['a', 'b']]);
});
