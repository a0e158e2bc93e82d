/**
 * The token in the link to a new password. It stands after `#`, which browsers tell no server; links made by hand may
 * have it as a parameter.
 */
export function tokenIn(url: URL): string | null {
	return new URLSearchParams(url.hash.slice(1)).get('token') || url.searchParams.get('token') || null;
}
