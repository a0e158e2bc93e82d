import { asset } from '$app/paths';

const CHECK_MS = 30 * 60_000;
/** The whole app is fetched when the page has been there this long: it must not compete with what a person waits for. */
const FIRST_PAGE_MS = 3_000;

let registration: ServiceWorkerRegistration | undefined;

/** Has the service worker keep the app on the device, and looks for new versions now and then. */
export async function keepOnDevice(): Promise<void> {
	if (!('serviceWorker' in navigator)) return;
	if (document.readyState !== 'complete')
		await new Promise((loaded) => addEventListener('load', loaded, { once: true }));
	await new Promise((wait) => setTimeout(wait, FIRST_PAGE_MS));
	try {
		registration = await navigator.serviceWorker.register(asset('/service-worker.js'), { updateViaCache: 'none' });
	} catch {
		// Not a secure origin, or not allowed: the app works, but only with a network. Without one just now: later.
		addEventListener('online', () => void keepOnDevice(), { once: true });
		return;
	}
	const check = () => void registration?.update().catch(() => undefined);
	setInterval(check, CHECK_MS);
	document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && check());
}

/** Whether a new version is on the device and waits for a good moment. */
export function isUpdateReady(): boolean {
	return Boolean(registration?.waiting && navigator.serviceWorker.controller);
}

/** Puts the new version in charge and opens `url` with it. To be called when the person moves to another page anyway. */
export function openWithUpdate(url: string): void {
	const open = () => location.assign(url);
	navigator.serviceWorker.addEventListener('controllerchange', open, { once: true });
	// Should the worker not answer, the person still gets where they wanted to go.
	setTimeout(open, 2_000);
	registration?.waiting?.postMessage('take-over');
}
