/** No letter or digit that looks like another: a password is read out, written on paper and typed on a phone. */
const UPPER = 'ABCDEFGHJKMNPQRSTUVWXYZ';
const LOWER = 'abcdefghjkmnpqrstuvwxyz';
const DIGITS = '23456789';
const ALL = UPPER + LOWER + DIGITS;
const GROUPS = 4;
const GROUP_LENGTH = 4;

/** A number below `limit`, each as likely: what would favour the small ones is thrown again. */
function randomBelow(limit: number): number {
	const fair = 256 - (256 % limit);
	const byte = new Uint8Array(1);
	do crypto.getRandomValues(byte);
	while ((byte[0] ?? 0) >= fair);
	return (byte[0] ?? 0) % limit;
}

const keepsTheRules = (text: string) =>
	[UPPER, LOWER, DIGITS].every((kind) => [...text].some((character) => kind.includes(character)));

/** A password of about 92 bits that keeps the server's rules, in groups that can be read out: `Kx7m-Tq4w-Rb9z-hU3k`. */
export function newPassword(): string {
	let text: string;
	do text = Array.from({ length: GROUPS * GROUP_LENGTH }, () => ALL[randomBelow(ALL.length)]).join('');
	while (!keepsTheRules(text));
	return text.match(/.{4}/g)?.join('-') ?? text;
}
