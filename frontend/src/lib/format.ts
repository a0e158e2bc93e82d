import { getLocale } from '$lib/paraglide/runtime.js';

/** Numbers and times as the person's language writes them, with Indian grouping and Latin digits. */
const locale = () => (getLocale() === 'hi' ? 'hi-IN-u-nu-latn' : 'en-IN');

export function number(value: number): string {
	return new Intl.NumberFormat(locale()).format(value);
}

/** Short, for axes and tiles: 1.2L, 3.4K. */
export function compactNumber(value: number): string {
	return new Intl.NumberFormat(locale(), { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

/** A share between 0 and 1. */
export function percent(value: number): string {
	return new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: 1 }).format(value);
}

export function kilograms(value: number): string {
	return new Intl.NumberFormat(locale(), { style: 'unit', unit: 'kilogram', maximumFractionDigits: 3 }).format(value);
}

/** With its sign, for differences. */
export function signedKilograms(value: number): string {
	return new Intl.NumberFormat(locale(), {
		style: 'unit',
		unit: 'kilogram',
		maximumFractionDigits: 3,
		signDisplay: 'exceptZero'
	}).format(value);
}

export function bytes(value: number): string {
	const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
	const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length - 1);
	return new Intl.NumberFormat(locale(), {
		style: 'unit',
		unit: units[power] ?? 'byte',
		unitDisplay: 'short',
		maximumFractionDigits: 1
	}).format(value / 1000 ** power);
}

export function date(value: string): string {
	return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium' }).format(new Date(value));
}

export function dateTime(value: string): string {
	return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(value));
}

export function time(value: string | number): string {
	return new Intl.DateTimeFormat(locale(), { timeStyle: 'medium' }).format(new Date(value));
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
		if (Math.abs(amount) < size)
			return new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }).format(Math.round(amount), unit);
		amount /= size;
	}
	return dateTime(value);
}
