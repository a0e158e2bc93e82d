/** The rules that can be checked while typing; the server knows the common passwords too. */
export type PasswordRule = 'length' | 'upper' | 'lower' | 'digit' | 'sign' | 'username';

const SHORTEST = 8;
const LONGEST = 128;

/** Which rules of the server a password meets. `username` is asked for only where the name is known. */
export function checkPassword(password: string, username?: string): { rule: PasswordRule; isMet: boolean }[] {
	const length = [...password].length;
	const rules: { rule: PasswordRule; isMet: boolean }[] = [
		{ rule: 'length', isMet: length >= SHORTEST && length <= LONGEST },
		{ rule: 'upper', isMet: /\p{Uppercase}/u.test(password) },
		{ rule: 'lower', isMet: /\p{Lowercase}/u.test(password) },
		{ rule: 'digit', isMet: /[0-9]/.test(password) },
		{ rule: 'sign', isMet: /[^\p{Alphabetic}\p{Number}]/u.test(password) }
	];
	if (username) {
		const isFree = password !== '' && !password.toLowerCase().includes(username.toLowerCase());
		rules.push({ rule: 'username', isMet: isFree });
	}
	return rules;
}
