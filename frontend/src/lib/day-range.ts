/**
 * The moment at which a day of a date field begins, by this device's clock, as the API takes it. With `days`, the
 * beginning of a later day: a list up to a day ends where the next one begins. Undefined for what is no date.
 */
export function dayStart(date: string | null, days = 0): string | undefined {
	const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date ?? '');
	if (!parts) return undefined;
	const moment = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + days);
	return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}
