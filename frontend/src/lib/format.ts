import { getLocale } from '$lib/paraglide/runtime.js';

/** Numbers and times as the person's language writes them, with Indian grouping and Latin digits. */
const locale = () => (getLocale() === 'hi' ? 'hi-IN-u-nu-latn' : 'en-IN');

/** Makes something when it is first wanted: browsers take longer to make a formatter than to use it a hundred times. */
function once<T>(make: () => T): () => T {
	let made: T | undefined;
	return () => (made ??= make());
}

// Another language loads the app anew, so no formatter gets old.
const numbers = (options?: Intl.NumberFormatOptions) => once(() => new Intl.NumberFormat(locale(), options));
const times = (options: Intl.DateTimeFormatOptions) => once(() => new Intl.DateTimeFormat(locale(), options));

const plain = numbers();
const compact = numbers({ notation: 'compact', maximumFractionDigits: 1 });
const share = numbers({ style: 'percent', maximumFractionDigits: 1 });
const weight = numbers({ style: 'unit', unit: 'kilogram', maximumFractionDigits: 3 });
const signedWeight = numbers({
	style: 'unit',
	unit: 'kilogram',
	maximumFractionDigits: 3,
	signDisplay: 'exceptZero'
});
const sizes = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'].map((unit) =>
	numbers({ style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 })
);
const days = times({ dateStyle: 'medium' });
const moments = times({ dateStyle: 'medium', timeStyle: 'short' });
const clockTimes = times({ timeStyle: 'medium' });
const hours = times({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const weekdays = times({ weekday: 'short', day: 'numeric' });
const distances = once(() => new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }));

export function number(value: number): string {
	return plain().format(value);
}

/** Short, for axes and tiles: 1.2L, 3.4K. */
export function compactNumber(value: number): string {
	return compact().format(value);
}

/** A share between 0 and 1. */
export function percent(value: number): string {
	return share().format(value);
}

export function kilograms(value: number): string {
	return weight().format(value);
}

/** With its sign, for differences. */
export function signedKilograms(value: number): string {
	return signedWeight().format(value);
}

export function bytes(value: number): string {
	const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), sizes.length - 1);
	return sizes[power]?.().format(value / 1000 ** power) ?? '';
}

export function date(value: string): string {
	return days().format(new Date(value));
}

export function dateTime(value: string): string {
	return moments().format(new Date(value));
}

export function time(value: string | number): string {
	return clockTimes().format(new Date(value));
}

/** An hour of the day: 14:00. */
export function hourOfDay(ms: number): string {
	return hours().format(ms);
}

/** An hour with its day: Tue 24, 14:00; at midnight the day alone. */
export function dayAndHour(ms: number): string {
	const day = weekdays().format(ms);
	const at = new Date(ms);
	return at.getHours() === 0 && at.getMinutes() === 0 ? day : `${day}, ${hourOfDay(ms)}`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
	['second', 60],
	['minute', 60],
	['hour', 24],
	['day', 7],
	['week', 4.35],
	['month', 12],
	['year', Infinity]
];

/** How long ago (or ahead) a moment is, as "3 minutes ago". */
export function ago(value: string, now = Date.now()): string {
	let amount = (new Date(value).getTime() - now) / 1000;
	for (const [unit, size] of STEPS) {
		if (Math.abs(amount) < size) return distances().format(Math.round(amount), unit);
		amount /= size;
	}
	return dateTime(value);
}
