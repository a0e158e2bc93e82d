import { goto } from '$app/navigation';

/**
 * Changes parameters of this page's address and keeps the rest; an empty value takes one out. The address is where a
 * list keeps its filters, so that a view can be shared and the way back leads to it.
 */
export function changeQuery(change: Record<string, string | null | undefined>, { replaceState = false } = {}): void {
	const url = new URL(location.href);
	for (const [name, value] of Object.entries(change)) {
		if (value) url.searchParams.set(name, value);
		else url.searchParams.delete(name);
	}
	// eslint-disable-next-line svelte/no-navigation-without-resolve -- an address of this page
	void goto(url, { keepFocus: true, noScroll: true, replaceState });
}
