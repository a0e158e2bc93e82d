import { EventSource } from 'eventsource';
import type { QueryClient } from '@tanstack/svelte-query';
import { apiUrl } from './api/address';
import { authorized } from './api/client';

type Topic = 'scan' | 'bag' | 'bill' | 'notification' | 'job';

/** What an event of each topic makes old, as first parts of query keys. */
const MAKES_OLD: Record<Topic, string[]> = {
	scan: ['stats', 'scans', 'bags'],
	bag: ['stats', 'bags', 'bills'],
	bill: ['stats', 'bills', 'bags'],
	notification: ['notifications'],
	job: ['imports', 'jobs']
};
const TOPICS = Object.keys(MAKES_OLD) as Topic[];

/** Events come in bursts of hundreds; pages ask again at most this often. */
const PAUSE_MS = 1_000;
/** Numbers may have been worked out up to two seconds ago (CACHE_SECONDS): when it gets quiet, they are asked for once more. */
const SETTLED_MS = 2_500;

/** Follows what happens on the server and lets the pages that show it ask again. */
class Live {
	/** The stream stands; without it pages are as old as their last look. */
	isConnected = $state(false);

	/** Returns how to stop. */
	follow(queries: QueryClient): () => void {
		// Renewing the token is the client's business; the stream ends with its token and is opened anew.
		const source = new EventSource(apiUrl('/api/v1/events'), {
			fetch: (url, init) => authorized(new Request(url, init as RequestInit))
		});
		// eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing shows it
		const old = new Set<string>();
		let timer: ReturnType<typeof setTimeout> | undefined;
		let settled: ReturnType<typeof setTimeout> | undefined;
		const flush = () => {
			timer = undefined;
			// A page that nobody looks at asks when it is looked at again.
			if (document.hidden) return;
			for (const key of old) void queries.invalidateQueries({ queryKey: [key] });
			old.clear();
		};
		const note = (keys: string[]) => {
			for (const key of keys) old.add(key);
			timer ??= setTimeout(flush, PAUSE_MS);
			if (!keys.includes('stats')) return;
			clearTimeout(settled);
			settled = setTimeout(() => {
				old.add('stats');
				flush();
			}, SETTLED_MS);
		};
		for (const topic of TOPICS) source.addEventListener(topic, () => note(MAKES_OLD[topic]));
		source.addEventListener('reset', () => note(TOPICS.flatMap((topic) => MAKES_OLD[topic])));
		source.addEventListener('open', () => (this.isConnected = true));
		source.addEventListener('error', () => (this.isConnected = false));
		document.addEventListener('visibilitychange', flush);
		return () => {
			clearTimeout(timer);
			clearTimeout(settled);
			document.removeEventListener('visibilitychange', flush);
			source.close();
			this.isConnected = false;
		};
	}
}

export const live = new Live();
