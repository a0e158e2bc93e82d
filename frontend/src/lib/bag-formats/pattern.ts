/** Whether a regular expression finds a match in a code. */
export type Pattern = (code: string) => boolean;

/**
 * Steps of a compiled pattern. A state that takes characters consumes one of them; one that asks passes only where
 * its condition holds; any other passes without a condition.
 */
interface State {
	takes?: string;
	asks?: (before: string | undefined, after: string | undefined) => boolean;
	next: State[];
}

/** The states of a part of the pattern, in front of those that come after it. */
type Build = (next: State) => State;

const ALPHABET = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** A larger pattern is not tried. The server accepts patterns of this size only in theory. */
const MAX_STATES = 20_000;

const isWord = (character: string | undefined) => character !== undefined && character !== '-';

const CONDITIONS: Record<string, State['asks']> = {
	'^': (before) => before === undefined,
	$: (_, after) => after === undefined,
	'\\b': (before, after) => isWord(before) !== isWord(after),
	'\\B': (before, after) => isWord(before) === isWord(after),
	'(?=\\w)': (_, after) => isWord(after),
	'(?!\\w)': (_, after) => !isWord(after),
	'(?<=\\w)': (before) => isWord(before),
	'(?<!\\w)': (before) => !isWord(before)
};
const CONDITION = /\^|\$|\\b|\\B|\(\?<?[=!]\\w\)/y;
const CLASS = /\[(?:[-0-9A-Z]|\\-)*\]/y;
const QUANTIFIER = /(?:([?*+])|\{(\d+)(,)?(\d*)\})\??/y;

/**
 * Compiles `ecmascript_pattern` of a bag format. The browser's own regular expressions are not used: they can take
 * for ever on a pattern such as `(?:A+)+B`, and one such format would freeze every station at the next scan. The time
 * of these grows with the length of the code and of the pattern only.
 *
 * Null for a pattern that has anything but what the server writes: literals, classes, groups, alternatives,
 * repetition and conditions.
 */
export function compilePattern(source: string): Pattern | null {
	try {
		const end: State = { next: [] };
		const start = new Compiler(source).compile()(end);
		return (code) => finds(start, end, code);
	} catch {
		return null;
	}
}

class Compiler {
	#at = 0;
	#states = 0;

	constructor(private readonly source: string) {}

	compile(): Build {
		const whole = this.#alternatives();
		// A group is closed that was not opened.
		if (this.#at < this.source.length) throw new SyntaxError();
		return whole;
	}

	#alternatives(): Build {
		const choices = [this.#sequence()];
		while (this.#eat('|')) choices.push(this.#sequence());
		return (next) => this.#state({ next: choices.map((choice) => choice(next)) });
	}

	#sequence(): Build {
		const parts: Build[] = [];
		while (this.#at < this.source.length && !'|)'.includes(this.source.charAt(this.#at))) parts.push(this.#part());
		return (next) => parts.reduceRight((after, part) => part(after), next);
	}

	#part(): Build {
		const part = this.#atom();
		const times = this.#read(QUANTIFIER);
		if (!times) return part;
		const [, sign, least, comma, most] = times;
		if (sign) return this.#repeated(part, sign === '+' ? 1 : 0, sign === '?' ? 1 : Infinity);
		const max = comma ? (most ? Number(most) : Infinity) : Number(least);
		return this.#repeated(part, Number(least), max);
	}

	#repeated(part: Build, min: number, max: number): Build {
		return (next) => {
			let tail = next;
			if (max === Infinity) {
				tail = this.#state({ next: [next] });
				tail.next.push(part(tail));
			}
			for (let n = min; n < max && max < Infinity; n += 1) tail = this.#state({ next: [part(tail), next] });
			for (let n = 0; n < min; n += 1) tail = this.#state({ next: [part(tail)] });
			return tail;
		};
	}

	#atom(): Build {
		const condition = this.#read(CONDITION)?.[0];
		if (condition) return (next) => this.#state({ asks: CONDITIONS[condition], next: [next] });
		if (this.#eat('(?:')) {
			const group = this.#alternatives();
			if (!this.#eat(')')) throw new SyntaxError();
			return group;
		}
		const takes = this.#characters();
		return (next) => this.#state({ takes, next: [next] });
	}

	/** The characters of codes that a class or a literal stands for. */
	#characters(): string {
		const set = this.#read(CLASS)?.[0];
		if (set) {
			const test = new RegExp(set);
			return [...ALPHABET].filter((character) => test.test(character)).join('');
		}
		const literal = this.source.charAt(this.#at);
		if (literal === '' || !ALPHABET.includes(literal)) throw new SyntaxError();
		this.#at += 1;
		return literal;
	}

	#state(state: State): State {
		this.#states += 1;
		if (this.#states > MAX_STATES) throw new RangeError();
		return state;
	}

	#eat(text: string): boolean {
		const isHere = this.source.startsWith(text, this.#at);
		if (isHere) this.#at += text.length;
		return isHere;
	}

	#read(expression: RegExp): RegExpExecArray | null {
		expression.lastIndex = this.#at;
		const found = expression.exec(this.source);
		if (found) this.#at = expression.lastIndex;
		return found;
	}
}

/** Follows all ways through the states at once. A match may begin at any character, as `RegExp.test` has it. */
function finds(start: State, end: State, code: string): boolean {
	let waiting: State[] = [];
	for (let at = 0; at <= code.length; at += 1) {
		const [before, after] = [code[at - 1], code[at]];
		const reached = new Set<State>();
		const open = [...waiting, start];
		waiting = [];
		for (let state = open.pop(); state; state = open.pop()) {
			if (reached.has(state)) continue;
			reached.add(state);
			if (state === end) return true;
			if (state.takes === undefined) {
				if (state.asks?.(before, after) ?? true) open.push(...state.next);
			} else if (after !== undefined && state.takes.includes(after)) waiting.push(...state.next);
		}
	}
	return false;
}
