import { getLocale } from '$lib/paraglide/runtime.js';

/** Numbers and times as the person's language writes them, with Indian grouping and Latin digits. */
const locale = () => (getLocale() === 'hi' ? 'hi-IN-u-nu-latn' : 'en-IN');

export function number(value: number): string {
	return new Intl.NumberFormat(locale()).format(value);
}

export function kilograms(value: number): string {
	return new Intl.NumberFormat(locale(), { style: 'unit', unit: 'kilogram', maximumFractionDigits: 3 }).format(value);
}

export function dateTime(value: string): string {
	return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(value));
}

export function time(value: string | number): string {
	return new Intl.DateTimeFormat(locale(), { timeStyle: 'medium' }).format(new Date(value));
}
