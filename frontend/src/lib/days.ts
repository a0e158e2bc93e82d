/** Days as the API has them: `2026-11-24`, without a time zone. */

/** The day that it is on this device. */
export function today(now = new Date()): string {
	return dayOf(now);
}

/** A day so many days later, or earlier. */
export function addDays(day: string, count: number): string {
	const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
	return dayOf(new Date(year, month - 1, date + count));
}

/** The first of the month of a day. */
export function firstOfMonth(day: string): string {
	return `${day.slice(0, 8)}01`;
}

/** A day of the calendar, or nothing: what stands in an address may be anything. */
export function dayIn(text: string | null): string | undefined {
	if (!text || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
	return addDays(text, 0) === text ? text : undefined;
}

/** The moment that a day begins on this device, as the API takes it. */
export function beginOf(day: string): string {
	const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
	return new Date(year, month - 1, date).toISOString();
}

function dayOf(moment: Date): string {
	const two = (value: number) => String(value).padStart(2, '0');
	return `${String(moment.getFullYear()).padStart(4, '0')}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}
