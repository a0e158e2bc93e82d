import { describe, expect, it } from 'vitest';
import { COMMAND_CODES, commandOf, normalized } from './commands';

describe('command codes', () => {
	it('are known, however the scanner writes them', () => {
		expect(commandOf(normalized('tt-cmd-undo\r\n'))).toBe('undo');
		expect(commandOf(normalized(' TT-CMD-NEXT '))).toBe('next');
		expect(commandOf(normalized('TT-CMD-Complete'))).toBe('complete');
	});

	it('leave no code of their family to the server', () => {
		expect(commandOf('TT-CMD-DANCE')).toBe('unknown');
		expect(commandOf('TT-CMD-')).toBe('unknown');
	});

	it('leave the codes of bags alone, also those that read like commands', () => {
		for (const code of ['UNDO', 'NEXT', 'COMPLETE', 'SB12345', 'M444-12345', 'CB-1', 'TT-CM', 'XTT-CMD-UNDO'])
			expect(commandOf(code)).toBeNull();
	});

	it('would all be taken for a child bag by the server, which is why they must not get there', () => {
		for (const code of Object.values(COMMAND_CODES)) expect(code).toMatch(/^[A-Z0-9]+(-[A-Z0-9]+)*$/);
	});
});

describe('normalized', () => {
	it('takes off what scanners put around a code', () => {
		expect(normalized('\u001dSB12345\u0004\r')).toBe('SB12345');
		expect(normalized('  cb-1\t')).toBe('CB-1');
		expect(normalized('\r\n')).toBe('');
	});

	it('leaves what is inside, for the server to refuse', () => {
		expect(normalized('CB\u001d1')).toBe('CB\u001d1');
	});
});
