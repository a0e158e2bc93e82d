import { normalise } from '$lib/bag-formats/formats';

/** What a command code has the station do. */
export type Command = 'undo' | 'next' | 'complete';

/**
 * Every code that begins so is the station's own and never leaves it. `UNDO` alone would be a valid child code; so
 * would this, which is why the station takes all of them out before anything is kept.
 */
const PREFIX = 'TT-CMD-';

/** The codes to print, in the order of the page that prints them. */
export const COMMAND_CODES: Record<Command, string> = {
	undo: `${PREFIX}UNDO`,
	next: `${PREFIX}NEXT`,
	complete: `${PREFIX}COMPLETE`
};

/** The command of a normalised code; `unknown` for a code that looks like one; null for the code of a bag. */
export function commandOf(code: string): Command | 'unknown' | null {
	if (!code.startsWith(PREFIX)) return null;
	const known = Object.entries(COMMAND_CODES).find(([, text]) => text === code);
	return known ? (known[0] as Command) : 'unknown';
}

/** A code as the server has it: in capitals, without what scanners put around it (spaces, line ends, separators). */
export function normalized(scanned: string): string {
	return normalise(scanned.replace(/^[\p{Cc}\s]+|[\p{Cc}\s]+$/gu, ''));
}
