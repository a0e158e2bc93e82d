import { m } from '$lib/paraglide/messages.js';
import type { Problem } from './client';

/** A sentence for a person about what went wrong: the server's own where it said one. */
export function sentenceOf(error: unknown): string {
	if (isProblem(error)) return error.detail;
	return m.error_network();
}

export function isProblem(error: unknown): error is Problem {
	return typeof error === 'object' && error !== null && 'code' in error && 'detail' in error;
}
