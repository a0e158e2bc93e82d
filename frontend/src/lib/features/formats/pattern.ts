import { faultOf } from '$lib/bag-formats/formats';
import { compilePattern, type Pattern } from '$lib/bag-formats/pattern';

/** The part of a format that decides whether a code is its own. */
export interface Matcher {
	name: string;
	pattern: string;
	priority: number;
	/** The pattern as the server writes it for browsers; a draft has none yet. */
	ecmascript_pattern?: string;
	/** How codes of a parent begin. */
	literal_prefixes?: string[];
	is_catch_all?: boolean;
}

/** What a code looks like, where that can be said without a regular expression: a beginning, then digits. */
export interface SimpleShape {
	start: string;
	leastDigits: number;
	mostDigits: number;
}

/**
 * `format` takes the code; `none` does; `unsure`: a pattern that the browser can't read as the server does comes first;
 * or only the last format takes it, and it is no label of a bag.
 */
export type Verdict<Format> =
	| { kind: 'looks_like_parent' | 'product_barcode'; code: string }
	| { kind: 'format'; format: Format; code: string }
	| { kind: 'none'; code: string }
	| { kind: 'unsure'; format: Format; code: string }
	| { kind: 'malformed'; code: string };

const MAX_DIGITS = 62;

/**
 * What the server's regular expressions and the browser's read alike: letters, digits, hyphens, plain classes, groups,
 * alternatives, repetition. Everything else (flags, Unicode classes, class arithmetic, look-around) is left to the server.
 */
const COMMON_TOKENS =
	/^(?:[A-Za-z0-9_/-]|\\[dDwWsS.\\+*?()|[\]{}^$/-]|\.|\(\?:|\((?!\?)|\)|\||[*+?]|\{[0-9]+(?:,[0-9]*)?\}|\[\^?(?:[A-Za-z0-9_.-]|\\[dws\\\]^-])+\])*$/;

/** The pattern as the browser's regular expression for a whole code; null where the two might differ. */
export function readPattern(pattern: string): RegExp | null {
	// Two hyphens in a class are arithmetic for the server.
	if (!COMMON_TOKENS.test(pattern) || /\[[^\]]*--/.test(pattern)) return null;
	try {
		return new RegExp(`^(?:${pattern})$`, 'u');
	} catch {
		return null;
	}
}

/** A code as the server takes it: trimmed, upper case; null for what is no code of any bag. */
export function normalise(typed: string): string | null {
	const code = typed.trim().replace(/[a-z]/g, (letter) => letter.toUpperCase());
	return /^(?=.{3,64}$)[A-Z0-9][A-Z0-9-]*[A-Z0-9]$/.test(code) ? code : null;
}

/** Which format takes a code: they are tried by priority, as on the server. */
export function whichFormat<Format extends Matcher>(typed: string, formats: Format[]): Verdict<Format> {
	const code = normalise(typed);
	if (code === null) return { kind: 'malformed', code: typed.trim() };
	for (const format of formats.toSorted((a, b) => a.priority - b.priority)) {
		const matches = matcherOf(format);
		if (!matches) return { kind: 'unsure', format, code };
		if (!matches(code)) continue;
		const prefixes = formats.flatMap((other) => other.literal_prefixes ?? []);
		const fault = format.is_catch_all ? faultOf(code, prefixes) : null;
		return fault ? { kind: fault, code } : { kind: 'format', format, code };
	}
	return { kind: 'none', code };
}

function matcherOf({ pattern, ecmascript_pattern }: Matcher): Pattern | null {
	if (ecmascript_pattern !== undefined) return compilePattern(ecmascript_pattern);
	const regex = readPattern(pattern);
	return regex && ((code) => regex.test(code));
}

/** The beginning of a pattern that is a simple shape, as the server finds it: one of a single character is none. */
export function prefixesOf(pattern: string): string[] {
	const start = shapeOf(pattern)?.start ?? '';
	return start.length > 1 ? [start] : [];
}

/** The shape of a pattern like `SB[0-9]{5,62}`; null for any other. */
export function shapeOf(pattern: string): SimpleShape | null {
	const parts = /^([A-Z0-9-]*)(?:\[0-9\]|\\d)\{([0-9]{1,2})(?:,([0-9]{1,2}))?\}$/.exec(pattern);
	if (!parts) return null;
	const [, start = '', least = '', most] = parts;
	return { start, leastDigits: Number(least), mostDigits: Number(most ?? least) };
}

/** The pattern of a shape; what may not be in a beginning is left out. */
export function patternOf({ start, leastDigits, mostDigits }: SimpleShape): string {
	const prefix = start.toUpperCase().replace(/[^A-Z0-9-]/g, '');
	const least = Math.min(Math.max(Math.round(leastDigits) || 1, 1), MAX_DIGITS);
	const most = Math.min(Math.max(Math.round(mostDigits) || least, least), MAX_DIGITS);
	return `${prefix}[0-9]{${least === most ? least : `${least},${most}`}}`;
}

/** A code of the shape, to show what it looks like. */
export function exampleOf({ start, leastDigits }: SimpleShape): string {
	const digits = Array.from({ length: Math.min(leastDigits, 12) }, (_, place) => (place + 1) % 10).join('');
	return start + digits;
}
