import { m } from '$lib/paraglide/messages.js';
import type { Problem } from './client';

/** The server refused, and said why. */
export class ApiError extends Error {
	readonly problem: Problem | null;

	constructor(
		readonly status: number,
		body: unknown
	) {
		super(isProblem(body) ? body.detail : `status ${status}`);
		this.problem = isProblem(body) ? body : null;
	}
}

/** The server was not reached. */
export class NetworkError extends Error {
	constructor(cause: unknown) {
		super('the server was not reached', { cause });
	}
}

/** A sentence for a person about what went wrong: the server's own where it said one. */
export function sentenceOf(error: unknown): string {
	const problem = problemOf(error);
	if (problem) return problem.detail;
	return error instanceof ApiError ? m.error_server() : m.error_network();
}

/** What is wrong with each field of a form, by the field's name. */
export function fieldErrorsOf(error: unknown): Record<string, string> {
	const errors = problemOf(error)?.errors ?? [];
	return Object.fromEntries(errors.map(({ pointer, detail }) => [pointer.replace(/^\//, ''), detail]));
}

export function problemOf(error: unknown): Problem | null {
	if (error instanceof ApiError) return error.problem;
	return isProblem(error) ? error : null;
}

export function isProblem(error: unknown): error is Problem {
	return typeof error === 'object' && error !== null && 'code' in error && 'detail' in error;
}
