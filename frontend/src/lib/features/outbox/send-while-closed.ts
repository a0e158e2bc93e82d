import type { Schemas } from '$lib/api/client';
import { knownFormats } from '$lib/bag-formats/known-formats';
import { exclusive } from '$lib/exclusive';
import { REFRESH_LOCK } from '$lib/refresh-lock';
import { deviceStore } from './device-store';
import { aloneSending, NEWS_CHANNEL } from './locks';
import { RetryLater, Sender } from './sender';
import { httpFormats, httpTransport } from './transport';

/**
 * Sends what waits of the person whose session the cookie holds, for the service worker. Throws when something still
 * has to wait, so that the browser tries again.
 */
export async function sendWhileClosed(baseUrl: string): Promise<void> {
	const isElsewhere = /^https?:/.test(baseUrl);
	const credentials: RequestCredentials = isElsewhere ? 'include' : 'same-origin';
	if ((await deviceStore.waiting()).length === 0) return;
	// Pages take the same lock, so that each exchanges the newest cookie.
	const session = await exclusive(REFRESH_LOCK, async () => {
		const response = await fetch(`${baseUrl}/api/v1/auth/refresh`, { method: 'POST', credentials });
		return response.ok ? ((await response.json()) as Schemas['TokenResponse']) : null;
	});
	// Signed out: the queue waits for the person.
	if (!session) return;
	const news = new BroadcastChannel(NEWS_CHANNEL);
	const auth = {
		baseUrl,
		credentials,
		token: () => Promise.resolve(session.access_token),
		renew: () => Promise.reject(new RetryLater('signed_out')),
		noteDate: () => undefined
	};
	const events = {
		sees: () => false,
		resolved: (result: unknown) => news.postMessage({ result }),
		replaced: (replaced: unknown) => news.postMessage({ replaced }),
		changed: () => undefined
	};
	const formats = (maxAgeMs: number) => knownFormats.fresh(maxAgeMs, httpFormats(auth));
	const sender = new Sender(session.user.id, deviceStore, events, httpTransport(auth), aloneSending, formats);
	while (await aloneSending(() => sender.sendSome()));
	news.close();
}
