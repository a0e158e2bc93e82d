import { tinykeys } from 'tinykeys';

/**
 * Keys that work wherever nobody is typing. A scanner types too: its bursts end on the scan station alone, and a single
 * key or a pair with pauses is no burst.
 */
export function listenForShortcuts(shortcuts: Record<string, () => void>): () => void {
	const bindings = Object.entries(shortcuts).map(([keys, act]): [string, (event: KeyboardEvent) => void] => [
		keys,
		(event) => {
			if (!keys.startsWith('$mod') && (isTyping(event.target) || isDialogOpen())) return;
			event.preventDefault();
			act();
		}
	]);
	return tinykeys(window, Object.fromEntries(bindings));
}

function isTyping(target: EventTarget | null): boolean {
	return (
		target instanceof HTMLElement &&
		(target.isContentEditable || target.matches('input:not([type=checkbox]), textarea, select'))
	);
}

function isDialogOpen(): boolean {
	return document.querySelector('[role=dialog], [role=menu]') !== null;
}
