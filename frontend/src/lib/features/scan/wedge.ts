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

	/** Takes a printable character. */
	character(character: string, atMs: number, inField: boolean): void {
		if (this.#burst === '' || this.#hasPaused(atMs, inField)) {
			this.#burst = '';
			this.#firstMs = atMs;
		}
		this.#burst += character;
		this.#lastMs = atMs;
	}

	/** Takes Enter or Tab: the code that was scanned, or null when somebody typed. */
	end(atMs: number, inField: boolean): string | null {
		const burst = this.#burst;
		this.#burst = '';
		if (burst.length < MIN_LENGTH || this.#hasPaused(atMs, inField)) return null;
		const isTooSlow = (this.#lastMs - this.#firstMs) / (burst.length - 1) > FIELD_AVERAGE_MS;
		return inField && isTooSlow ? null : burst;
	}

	#hasPaused(atMs: number, inField: boolean): boolean {
		return atMs - this.#lastMs > (inField ? FIELD_PAUSE_MS : OUTSIDE_PAUSE_MS);
	}
}

/** Listens for scans wherever the focus is. Returns how to stop. */
export function listenForScans(onScan: (code: string) => void): () => void {
	const detector = new WedgeDetector();
	const onKey = (event: KeyboardEvent) => {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const field = fieldOf(event.target);
		if (event.key.length === 1) {
			detector.character(event.key, event.timeStamp, field !== null);
			return;
		}
		if (event.key !== 'Enter' && event.key !== 'Tab') return;
		const code = detector.end(event.timeStamp, field !== null);
		if (code === null) return;
		event.preventDefault();
		event.stopPropagation();
		if (field) takeOut(field, code);
		onScan(code);
	};
	// In the capture phase: before a form or a focused button sees Enter.
	window.addEventListener('keydown', onKey, { capture: true });
	return () => window.removeEventListener('keydown', onKey, { capture: true });
}

type Field = HTMLInputElement | HTMLTextAreaElement;

function fieldOf(target: EventTarget | null): Field | null {
	return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement ? target : null;
}

/** A burst that landed in a field while somebody was typing there is taken out again. */
function takeOut(field: Field, code: string): void {
	const end = field.selectionStart ?? field.value.length;
	const start = end - code.length;
	if (start < 0 || field.value.slice(start, end) !== code) return;
	field.value = field.value.slice(0, start) + field.value.slice(end);
	field.dispatchEvent(new Event('input', { bubbles: true }));
}
