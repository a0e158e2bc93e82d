import type { HandleClientError } from '@sveltejs/kit';

/** An address that does not exist is no fault of the app; everything else goes to the browser's error log. */
export const handleError: HandleClientError = ({ error, status, message }) => {
	if (status !== 404) reportError(error);
	return { message };
};
