import { characterOf, WedgeDetector } from './wedge';

/** What a scanner sends after the end of a code (a line feed after the return, say) comes within this time. */
const AFTERMATH_MS = 150;

/** Listens for scans wherever the focus is. Returns how to stop. */
export function listenForScans(onScan: (code: string) => void): () => void {
	const detector = new WedgeDetector();
	let lastScanMs = -Infinity;

	const take = (code: string, event: Event, field: Field | null) => {
		lastScanMs = event.timeStamp;
		swallow(event);
		if (field) takeOut(field, code);
		onScan(code);
	};

	const onKey = (event: KeyboardEvent) => {
		const isEnd = event.key === 'Enter' || event.key === 'Tab';
		const isLineFeed = event.ctrlKey && event.code === 'KeyJ';
		// The rest of an ending must not press the button that has the focus, nor open the browser's downloads.
		const isAftermath = detector.isEmpty && event.timeStamp - lastScanMs < AFTERMATH_MS;
		if ((isEnd || isLineFeed) && isAftermath) return swallow(event);
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const field = fieldOf(event.target);
		if (isEnd) {
			const code = detector.end(event.timeStamp, field !== null);
			if (code !== null) take(code, event, field);
			return;
		}
		const character = characterOf(event);
		if (character === null) {
			if (event.key === 'Unidentified' && !field) catchAll().focus();
			return;
		}
		const isScanner = detector.character(character, event.timeStamp, field !== null);
		// A scanner's space must not press a button, nor its letters search the page.
		if (isScanner && !field) event.preventDefault();
	};

	// In the capture phase: before a form or a focused button sees Enter.
	window.addEventListener('keydown', onKey, { capture: true });
	return () => window.removeEventListener('keydown', onKey, { capture: true });

	/**
	 * Some Android phones don't say which key it was, but a field gets the character all the same. It is only made on
	 * such phones, and asks for no keyboard on the screen.
	 */
	function catchAll(): HTMLInputElement {
		const existing = document.querySelector<HTMLInputElement>('input[data-catch-scans]');
		if (existing) return existing;
		const input = document.createElement('input');
		input.dataset['catchScans'] = '';
		input.className = 'visually-hidden';
		input.inputMode = 'none';
		input.autocomplete = 'off';
		input.tabIndex = -1;
		input.ariaHidden = 'true';
		input.addEventListener('input', (event) => {
			for (const character of input.value) detector.character(character, event.timeStamp, false);
			input.value = '';
		});
		document.body.append(input);
		return input;
	}
}

function swallow(event: Event): void {
	event.preventDefault();
	event.stopPropagation();
}

type Field = HTMLInputElement | HTMLTextAreaElement;

/** Inputs that take text; a checkbox or a slider is none. */
const TEXT = new Set(['text', 'search', 'email', 'password', 'tel', 'url', 'number']);

function fieldOf(target: EventTarget | null): Field | null {
	if (target instanceof HTMLTextAreaElement) return target;
	const isText = target instanceof HTMLInputElement && TEXT.has(target.type) && !('catchScans' in target.dataset);
	return isText ? target : null;
}

/** A burst that landed in a field while somebody was typing there is taken out again. */
function takeOut(field: Field, code: string): void {
	const end = field.selectionStart ?? field.value.length;
	const start = end - code.length;
	if (start < 0 || field.value.slice(start, end) !== code) return;
	field.value = field.value.slice(0, start) + field.value.slice(end);
	field.dispatchEvent(new Event('input', { bubbles: true }));
}
