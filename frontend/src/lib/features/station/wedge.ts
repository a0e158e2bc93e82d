/**
 * In a field, where people type too, a scanner is known by its speed: on average this often a character, in
 * milliseconds. Fast typists need 80 and more.
 */
const FIELD_AVERAGE_MS = 50;
/** In a field: a longer pause begins something new. Slow scanners and busy phones stutter, but less than this. */
const FIELD_PAUSE_MS = 100;
/** Outside a field nobody types: only a long pause, after a half-read code, begins something new. */
const OUTSIDE_PAUSE_MS = 500;
/** Anything shorter is a person's quick fingers. */
const MIN_LENGTH = 3;

/** Tells the keystrokes of a keyboard-wedge scanner from typing: a fast burst of characters that ends with Enter or Tab. */
export class WedgeDetector {
	#burst = '';
	#firstMs = 0;
	#lastMs = 0;

	/** Takes a printable character; true when it goes on a burst too fast for fingers. */
	character(character: string, atMs: number, inField: boolean): boolean {
		const isFast = this.#burst !== '' && atMs - this.#lastMs < FIELD_AVERAGE_MS;
		if (this.#burst === '' || this.#hasPaused(atMs, inField)) {
			this.#burst = '';
			this.#firstMs = atMs;
		}
		this.#burst += character;
		this.#lastMs = atMs;
		return isFast;
	}

	/** Takes Enter or Tab: the code that was scanned, or null when somebody typed. */
	end(atMs: number, inField: boolean): string | null {
		const burst = this.#burst;
		this.#burst = '';
		if (burst.length < MIN_LENGTH || this.#hasPaused(atMs, inField)) return null;
		const isTooSlow = (this.#lastMs - this.#firstMs) / (burst.length - 1) > FIELD_AVERAGE_MS;
		return inField && isTooSlow ? null : burst;
	}

	/** Nothing has come since the last end. */
	get isEmpty(): boolean {
		return this.#burst === '';
	}

	#hasPaused(atMs: number, inField: boolean): boolean {
		return atMs - this.#lastMs > (inField ? FIELD_PAUSE_MS : OUTSIDE_PAUSE_MS);
	}
}

/** What of a key event tells which character it is. */
export type Key = Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey'>;

/** Keys with no letter or digit in their name, as a US keyboard has them, which is what scanners pretend to be. */
const SIGNS: Record<string, [plain: string, shifted: string]> = {
	Minus: ['-', '_'],
	NumpadSubtract: ['-', '-'],
	Space: [' ', ' '],
	Slash: ['/', '?'],
	Period: ['.', '>'],
	NumpadDecimal: ['.', '.'],
	Equal: ['=', '+'],
	Semicolon: [';', ':'],
	Comma: [',', '<']
};

/**
 * The character that a scanner meant. With a Hindi layout or an input method in between, the key says something else
 * (`क`, `Process`), but its place on the keyboard is still right. Null for keys that are no character.
 */
export function characterOf({ key, code, shiftKey }: Key): string | null {
	if (/^[ -~]$/.test(key)) return key;
	const isForeign = [...key].length === 1 || key === 'Process' || key === 'Unidentified' || key === 'Dead';
	if (!isForeign) return null;
	const [, letter] = /^Key([A-Z])$/.exec(code) ?? [];
	if (letter) return shiftKey ? letter : letter.toLowerCase();
	const [, digit] = /^(?:Digit|Numpad)(\d)$/.exec(code) ?? [];
	if (digit) return digit;
	const sign = SIGNS[code]?.[shiftKey ? 1 : 0];
	return sign ?? ([...key].length === 1 ? key : null);
}
