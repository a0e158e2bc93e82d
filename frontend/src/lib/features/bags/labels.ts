import { resolve } from '$app/paths';

/** Codes in the address of the page of labels; a sheet is printed at a time, not a warehouse. */
const MOST_LABELS = 200;

/** Address of the page that prints labels of these bags. */
export function labelsPath(codes: string[]): string {
	return `${resolve('/labels')}?bags=${codes.slice(0, MOST_LABELS).map(encodeURIComponent).join(',')}`;
}

/** The codes in such an address. */
export function labelsIn(params: URLSearchParams): string[] {
	const codes = (params.get('bags') ?? '').split(',').map((code) => code.trim().toUpperCase());
	return [...new Set(codes.filter(Boolean))].slice(0, MOST_LABELS);
}
