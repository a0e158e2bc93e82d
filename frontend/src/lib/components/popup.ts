import type { Snippet } from 'svelte';

/** What each menu or panel that opens from a button is given by [`LazyPopup`]. */
export interface PopupProps {
	open: boolean;
	/** Name of the button; absent where its face says it. */
	label?: string | undefined;
	class: string;
	/** What the button shows. */
	face: Snippet;
}
