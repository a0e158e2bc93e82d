import type { Component } from 'svelte';

/** One line of a [`Menu`]. */
export interface MenuEntry {
	label: string;
	icon?: Component<{ size?: number; 'aria-hidden'?: 'true' }>;
	isDangerous?: boolean;
	isDisabled?: boolean;
	onselect: () => void;
}
