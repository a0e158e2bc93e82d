/**
 * After a deploy the parts of the version that is open are gone from the server. Where one is asked for then, the
 * app starts anew, at the page that was wanted.
 */

const KEPT = 'traitortrack-reloaded-at';
/** A part that is missing again this soon is not missing because of a deploy. */
const PATIENCE_MS = 60_000;

let heading: string | null = null;
let isLeaving = false;

/** Notes where the person is on the way to; null when they have arrived. */
export function headingFor(href: string | null): void {
	heading = href;
}

/** Is the app about to start anew? Then what went wrong with the old one is nobody's concern. */
export function isStartingAnew(): boolean {
	return isLeaving;
}

/** Starts the app anew when a part of it is gone; once, and with a network only: without one it would be lost. */
export function reloadAfterDeploy(): void {
	window.addEventListener('vite:preloadError', () => {
		const last = Number(sessionStorage.getItem(KEPT) ?? 0);
		if (!navigator.onLine || Date.now() - last < PATIENCE_MS) return;
		isLeaving = true;
		sessionStorage.setItem(KEPT, String(Date.now()));
		if (heading && heading !== location.href) location.assign(heading);
		else location.reload();
	});
}
