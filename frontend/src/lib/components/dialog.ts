import type { Snippet } from 'svelte';

export interface DialogProps {
	open: boolean;
	title: string;
	/** A sentence under the title. */
	description?: string | undefined;
	/** `wide` for tables and previews. */
	size?: 'normal' | 'wide';
	children: Snippet;
}
