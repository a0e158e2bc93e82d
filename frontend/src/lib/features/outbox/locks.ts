import { exclusive } from '$lib/exclusive';

/** One sender at a time, over all tabs and the service worker: that is what keeps scans in order. */
export function aloneSending<T>(work: () => Promise<T>): Promise<T> {
	return exclusive('traitortrack-sender', work);
}

/** Name of the channel on which senders tell every page what became of its acts. */
export const NEWS_CHANNEL = 'traitortrack-outbox';
/** Tag of the background sync that empties the queue while no page is open. */
export const SYNC_TAG = 'send-scans';
