import { describe, expect, it } from 'vitest';
import { newPassword } from './password';

describe('a new password', () => {
	it('keeps the rules of the server', () => {
		for (let turn = 0; turn < 500; turn += 1) {
			const password = newPassword();
			expect(password).toMatch(/^(?:[A-Za-z0-9]{4}-){3}[A-Za-z0-9]{4}$/);
			for (const rule of [/[A-Z]/, /[a-z]/, /[0-9]/, /-/]) expect(password).toMatch(rule);
			expect(password).not.toMatch(/[01OIlio]/);
		}
	});

	it('is another each time', () => {
		expect(new Set(Array.from({ length: 200 }, newPassword)).size).toBe(200);
	});
});
