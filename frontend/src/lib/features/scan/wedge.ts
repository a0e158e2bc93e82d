/** A scanner types a character at least this often, in milliseconds; people don't. */
const MAX_GAP_MS = 45;
/** Shorter bursts are a person's quick fingers. */
const MIN_LENGTH = 3;

/**
 * Tells the keystrokes of a keyboard-wedge scanner from typing: a fast burst of characters that ends with Enter or Tab.
 */
export class WedgeDetector {
	#buffer = '';
	#lastMs = 0;

	/** Takes a printable character. */
	character(character: string, atMs: number): void {
		if (atMs - this.#lastMs > MAX_GAP_MS) this.#buffer = '';
		this.#buffer += character;
		this.#lastMs = atMs;
	}

	/** Takes Enter or Tab: the code that was scanned, or null when somebody typed. */
	end(atMs: number): string | null {
		const burst = atMs - this.#lastMs <= MAX_GAP_MS ? this.#buffer : '';
		this.#buffer = '';
		return burst.length >= MIN_LENGTH ? burst : null;
	}
}

/** Listens for scans wherever the focus is. Returns how to stop. */
export function listenForScans(onScan: (code: string) => void): () => void {
	const detector = new WedgeDetector();
	const onKey = (event: KeyboardEvent) => {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		if (event.key.length === 1) {
			detector.character(event.key, event.timeStamp);
			return;
		}
		if (event.key !== 'Enter' && event.key !== 'Tab') return;
		const code = detector.end(event.timeStamp);
		if (code === null) return;
		event.preventDefault();
		event.stopPropagation();
		takeOutOfField(event.target, code);
		onScan(code);
	};
	// In the capture phase: before a form sees Enter.
	window.addEventListener('keydown', onKey, { capture: true });
	return () => window.removeEventListener('keydown', onKey, { capture: true });
}

/** A burst that landed in a field while somebody was typing there is taken out again. */
function takeOutOfField(target: EventTarget | null, code: string): void {
	if (!(target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement)) return;
	const end = target.selectionStart ?? target.value.length;
	const start = end - code.length;
	if (start < 0 || target.value.slice(start, end) !== code) return;
	target.value = target.value.slice(0, start) + target.value.slice(end);
	target.dispatchEvent(new Event('input', { bubbles: true }));
}
