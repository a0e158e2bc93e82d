import { addDays, dayIn, today } from '$lib/days';
import type { Role } from '$lib/roles';
import { m } from '$lib/paraglide/messages.js';

/** The reports, by their names in the API and in the page's address. */
export const REPORTS = ['daily-scans', 'end-of-day', 'bill-summary', 'dispatch-area', 'user-activity'] as const;
export type Report = (typeof REPORTS)[number];

/** Days that a range has when nobody chose one. */
const USUAL_DAYS = 30;

/** Packers see what they scanned themselves; the rest is for those who bill. */
export function reportsFor(role: Role | undefined): readonly Report[] {
	return role === 'biller' || role === 'admin' ? REPORTS : ['daily-scans'];
}

/** The report of an address; the first when it names none. */
export function reportIn(params: URLSearchParams): Report {
	return REPORTS.find((report) => report === params.get('report')) ?? REPORTS[0];
}

export function reportName(report: Report): string {
	return {
		'daily-scans': m.report_daily_scans,
		'end-of-day': m.report_end_of_day,
		'bill-summary': m.report_bill_summary,
		'dispatch-area': m.report_dispatch_area,
		'user-activity': m.report_user_activity
	}[report]();
}

/** What a report tells, in a sentence. */
export function reportHint(report: Report, role: Role | undefined): string {
	if (report === 'daily-scans' && role === 'dispatcher') return m.report_own_scans_hint();
	return {
		'daily-scans': m.report_daily_scans_hint,
		'end-of-day': m.report_end_of_day_hint,
		'bill-summary': m.report_bill_summary_hint,
		'dispatch-area': m.report_dispatch_area_hint,
		'user-activity': m.report_user_activity_hint
	}[report]();
}

export const isOverRange = (report: Report): boolean => report === 'bill-summary' || report === 'user-activity';

/** A report's parameters as the API takes them. */
export interface DayParams {
	date?: string;
	user_id?: number;
}

/** The day and the person of an address; without a day it is the server's today. */
export function dayParams(params: URLSearchParams): DayParams {
	const date = dayIn(params.get('date'));
	const person = Number(params.get('user_id'));
	return {
		...(date ? { date } : {}),
		...(Number.isSafeInteger(person) && person > 0 ? { user_id: person } : {})
	};
}

/** The range of an address: both days are in it. */
export function rangeParams(params: URLSearchParams): { from: string; to: string } {
	const to = dayIn(params.get('to')) ?? today();
	return { from: dayIn(params.get('from')) ?? addDays(to, 1 - USUAL_DAYS), to };
}

/** What a download of a report asks for. */
export function downloadParams(report: Report, params: URLSearchParams): Record<string, string | number> {
	if (isOverRange(report)) return { ...rangeParams(params) };
	const { date, user_id } = dayParams(params);
	return {
		...(date ? { date } : {}),
		...(report === 'daily-scans' && user_id ? { user_id } : {})
	};
}
