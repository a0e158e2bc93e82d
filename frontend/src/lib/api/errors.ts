import { m } from '$lib/paraglide/messages.js';
import type { Problem } from './client';
import { sayProblem } from './problems';

/** The server refused, and said why. */
export class ApiError extends Error {
	readonly problem: Problem | null;

	constructor(
		readonly status: number,
		body: unknown,
		/** How long to wait before trying again, where the server says so. */
		readonly retryAfterSeconds: number | null = null
	) {
		super(isProblem(body) ? body.detail : `status ${status}`);
		this.problem = isProblem(body) ? body : null;
	}
}

/** The refusal in an answer of the client. */
export function refusalOf(answer: { error?: unknown; response: Response }): ApiError {
	const seconds = Number(answer.response.headers.get('retry-after'));
	return new ApiError(answer.response.status, answer.error, seconds > 0 ? seconds : null);
}

/** The server was not reached. */
export class NetworkError extends Error {
	constructor(cause: unknown) {
		super('the server was not reached', { cause });
	}
}

/** A sentence for a person about what went wrong: the server's own where it said one, in the person's language. */
export function sentenceOf(error: unknown): string {
	const problem = problemOf(error);
	if (problem) return sayProblem(problem);
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
