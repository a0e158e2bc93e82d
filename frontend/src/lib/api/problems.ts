import { m } from '$lib/paraglide/messages.js';
import { getLocale } from '$lib/paraglide/runtime.js';
import type { Problem } from './client';

/** The server speaks English; what people meet most often is said here in their language. */
const sentences: Partial<Record<string, () => string>> = {
	account_locked: m.problem_account_locked,
	email_taken: m.problem_email_taken,
	forbidden: m.problem_forbidden,
	internal_error: m.error_server,
	invalid_challenge: m.problem_invalid_challenge,
	invalid_credentials: m.problem_invalid_credentials,
	invalid_reset_token: m.problem_invalid_reset_token,
	invalid_two_factor_code: m.problem_invalid_two_factor_code,
	own_role: m.problem_own_role,
	promotion_decided: m.problem_promotion_decided,
	promotion_pending: m.problem_promotion_pending,
	rate_limited: m.problem_rate_limited,
	role_not_higher: m.problem_role_not_higher,
	stale_version: m.problem_stale_version,
	storage_full: m.problem_storage_full,
	timeout: m.problem_unavailable,
	unavailable: m.problem_unavailable,
	validation_failed: m.problem_validation_failed,
	weak_password: m.problem_weak_password
};

/** What a problem says, for a person: the server's own sentence, which knows most, unless it would not be understood. */
export function sayProblem(problem: Problem): string {
	const say = getLocale() === 'en' ? undefined : sentences[problem.code];
	return say?.() ?? problem.detail;
}
