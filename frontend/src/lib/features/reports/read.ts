import { api, type Schemas } from '$lib/api/client';
import { unwrap } from '$lib/api/query';

// Reports come as JSON unless another form is asked for; the document knows all forms, so the types name them all.

interface Days {
	from: string;
	to: string;
}

/** Scans of a day, of one person or all. */
export function readDailyScans(query: { date?: string; user_id?: number }) {
	return unwrap(api.GET('/api/v1/reports/daily-scans', { params: { query } })) as Promise<Schemas['DailyScansReport']>;
}

/** Bills made in a range of days. */
export function readBillSummary(query: Days) {
	return unwrap(api.GET('/api/v1/reports/bill-summary', { params: { query } })) as Promise<
		Schemas['BillSummaryReport']
	>;
}

/** Bags and scans of the dispatch areas on a day. */
export function readDispatchAreas(query: { date?: string }) {
	return unwrap(api.GET('/api/v1/reports/dispatch-area', { params: { query } })) as Promise<
		Schemas['DispatchAreaReport']
	>;
}

/** What people did in a range of days. */
export function readUserActivity(query: Days) {
	return unwrap(api.GET('/api/v1/reports/user-activity', { params: { query } })) as Promise<
		Schemas['UserActivityReport']
	>;
}

/** A whole day on one page: what the e-mail at the end of the day says. */
export function readEndOfDay(query: { date?: string }) {
	return unwrap(api.GET('/api/v1/reports/end-of-day', { params: { query } })) as Promise<Schemas['EndOfDayReport']>;
}
