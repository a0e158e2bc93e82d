import { toast as sonner } from 'svelte-sonner';
import { sentenceOf } from './api/errors';
import { m } from './paraglide/messages.js';

/** Longer where there is something to press. */
const WITH_UNDO_MS = 10_000;

/** Short news at the edge of the screen, read out by screen readers. */
export const toast = {
	/** It worked; with `undo`, a button takes it back. */
	done: (text: string, undo?: () => void | Promise<void>): void => {
		sonner.success(
			text,
			undo ? { duration: WITH_UNDO_MS, action: { label: m.undo(), onClick: () => void undo() } } : {}
		);
	},
	/** It did not work: says the server's own sentence. */
	failed: (error: unknown): void => {
		sonner.error(sentenceOf(error), { duration: WITH_UNDO_MS });
	}
};
