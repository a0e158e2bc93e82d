import type { Schemas } from '$lib/api/client';
import { compilePattern, type Pattern } from './pattern';

/** What a format is recognised by. */
type Recognised = Pick<Schemas['BagFormat'], 'kind' | 'literal_prefixes' | 'is_catch_all' | 'ecmascript_pattern'>;
/** As much of a format as is used here. */
export type BagFormat = Recognised & Partial<Pick<Schemas['BagFormat'], 'capacity'>>;

/** What a code counts as. `undetermined`: there is a pattern in front that this app can't read, so the server decides. */
export type CodeVerdict =
	'parent' | 'child' | 'looks_like_parent' | 'product_barcode' | 'invalid_qr_code' | 'undetermined';

const CODE = /^[A-Z0-9][A-Z0-9-]{1,62}[A-Z0-9]$/;
const GTIN = /^(?:\d{8}|\d{12,14})$/;

/** A scanned code as the server has it: without spaces around it, ASCII letters in capitals. */
export function normalise(scanned: string): string {
	return scanned.trim().replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

/** Whether a normalised code can be that of a bag at all; that depends on no format. */
export function isCode(code: string): boolean {
	return CODE.test(code);
}

/** The formats of the server at one moment, in the order in which they are tried. */
export class BagFormats {
	readonly #formats: { format: BagFormat; matches: Pattern | null }[];

	constructor(readonly list: BagFormat[]) {
		this.#formats = list.map((format) => ({ format, matches: compilePattern(format.ecmascript_pattern) }));
	}

	/** Decides as the server does (`CodeVerdict` of the API), with the same cases in its tests. */
	verdictOf(scanned: string): CodeVerdict {
		const code = normalise(scanned);
		if (!isCode(code)) return 'invalid_qr_code';
		const first = this.#first(code);
		if (first && !first.matches) return 'undetermined';
		if (first && !first.format.is_catch_all) return first.format.kind;
		return faultOf(code, this.prefixes) ?? 'child';
	}

	/** Children that a parent with this code holds; null when that is not known. */
	capacityOf(code: string): number | null {
		return this.#first(code)?.format.capacity ?? null;
	}

	/** How the codes of parents begin, where they begin with something special. */
	get prefixes(): string[] {
		return this.list.flatMap((format) => format.literal_prefixes);
	}

	/** The format of a code, or the first whose pattern can't be read. */
	#first(code: string) {
		return this.#formats.find(({ matches }) => matches?.(code) ?? true);
	}
}

/** Why a code that only the catch-all format takes is no child's; null when it is. `prefixes`: of all parents. */
export function faultOf(code: string, prefixes: string[]): 'looks_like_parent' | 'product_barcode' | null {
	if (prefixes.some((prefix) => code.startsWith(prefix) || prefix.startsWith(code))) return 'looks_like_parent';
	return isGtin(code) ? 'product_barcode' : null;
}

/** A trade item number (GS1): digits with weights 3 and 1 from the right, the check digit with 1, make full tens. */
function isGtin(code: string): boolean {
	if (!GTIN.test(code)) return false;
	const sum = [...code].reverse().reduce((total, digit, place) => total + Number(digit) * (place % 2 ? 3 : 1), 0);
	return sum % 10 === 0;
}
