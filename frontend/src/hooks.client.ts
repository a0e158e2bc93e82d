import type { HandleClientError } from '@sveltejs/kit';
import { isStartingAnew, reloadAfterDeploy } from '$lib/after-deploy';
import { problemOf } from '$lib/api/errors';

reloadAfterDeploy();

/** An address that does not exist is no fault of the app; everything else goes to the browser's error log. */
export const handleError: HandleClientError = ({ error, status, message }) => {
	// The page that is leaving stays as it is until it is gone.
	if (isStartingAnew()) return new Promise(() => {});
	if (status !== 404) reportError(error);
	const problem = problemOf(error);
	return { message, code: problem?.code, requestId: problem?.request_id ?? undefined };
};
