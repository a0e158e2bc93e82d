import { getLocale } from '$lib/paraglide/runtime.js';

const locale = () => (getLocale() === 'hi' ? 'hi-IN-u-nu-latn' : 'en-IN');

/** An hour of the day: 14:00. */
export function hourOfDay(ms: number): string {
	return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(ms);
}

/** An hour with its day: Tue 24, 14:00; at midnight the day alone. */
export function dayAndHour(ms: number): string {
	const day = new Intl.DateTimeFormat(locale(), { weekday: 'short', day: 'numeric' }).format(ms);
	const at = new Date(ms);
	return at.getHours() === 0 && at.getMinutes() === 0 ? day : `${day}, ${hourOfDay(ms)}`;
}
