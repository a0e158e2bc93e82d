import { api, type Schemas } from '$lib/api/client';
import { ApiError, NetworkError } from '$lib/api/errors';

/**
 * How each part is. An unhealthy system answers too, with 503: that is an answer, not a failure.
 *
 * # Errors
 * `NetworkError` when the server was not reached, `ApiError` for anything that is no health report.
 */
export async function fetchHealth(): Promise<Schemas['DetailedHealth']> {
	const { data, error, response } = await api.GET('/api/health/detailed').catch((cause: unknown) => {
		throw new NetworkError(cause);
	});
	const report = data ?? error;
	if (report && 'checks' in report) return report;
	throw new ApiError(response.status, report);
}
