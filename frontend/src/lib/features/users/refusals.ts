import type { Problem } from '$lib/api/client';
import { ApiError } from '$lib/api/errors';
import { m } from '$lib/paraglide/messages.js';

/** Refusals that the app says in the person's own language and kinder than the server; the rest speak for themselves. */
const WORDS: Record<string, () => string> = {
	last_admin: m.users_refused_last_admin,
	own_role: m.users_refused_own_role,
	stale_version: m.users_refused_stale,
	username_taken: m.users_refused_name_taken,
	email_taken: m.users_refused_email_taken
};

/** The same for what is wrong with one field. */
const FIELD_WORDS: Record<string, () => string> = {
	reserved_username: m.users_refused_name_reserved
};

/** Fields that a refusal is about, so that the form can point at them. */
const FIELDS: Record<string, string> = {
	own_role: '/role',
	username_taken: '/username',
	email_taken: '/email'
};

/**
 * Waits for a change of a person.
 *
 * # Errors
 * What the request throws, with the words of the app where it has better ones.
 */
export async function kindly<T>(request: Promise<T>): Promise<T> {
	try {
		return await request;
	} catch (error) {
		const problem = error instanceof ApiError ? error.problem : null;
		if (!(error instanceof ApiError) || !problem) throw error;
		const words = WORDS[problem.code];
		if (!words) throw new ApiError(error.status, { ...problem, errors: problem.errors?.map(inOwnWords) });
		const pointer = FIELDS[problem.code];
		const errors = pointer ? [{ pointer, code: problem.code, detail: words() }] : problem.errors;
		throw new ApiError(error.status, { ...problem, detail: words(), errors });
	}
}

type FieldProblem = NonNullable<Problem['errors']>[number];

function inOwnWords(field: FieldProblem): FieldProblem {
	const words = FIELD_WORDS[field.code];
	return words ? { ...field, detail: words() } : field;
}

/** Somebody else changed the thing in the meantime. */
export function isStale(error: unknown): boolean {
	return error instanceof ApiError && error.status === 412;
}
