import type { QueryClient } from '@tanstack/svelte-query';
import { apiUrl } from './api/address';
import { authorized } from './api/client';
import { whenIdle } from './idle';
import { uuidv7 } from './uuidv7';

type Topic = 'scan' | 'bag' | 'bill' | 'notification' | 'job';

/** What an event of each topic makes old, as first parts of query keys. */
const INVALIDATES: Record<Topic, string[]> = {
	scan: ['stats', 'scans', 'bags'],
	bag: ['stats', 'bags', 'bills'],
	bill: ['stats', 'bills', 'bags'],
	notification: ['notifications'],
	job: ['imports', 'jobs']
};
const TOPICS = Object.keys(INVALIDATES) as Topic[];

/** Events come in bursts of hundreds; pages ask again at most this often. */
const PAUSE_MS = 1_000;
/** A stream that stands no sooner is as good as none. */
const PATIENCE_MS = 10_000;
/** Live news make everything old at once; this is how often pages ask while there are none. */
const WITHOUT_NEWS_MS = 15_000;
/** Numbers may have been worked out up to two seconds ago (CACHE_SECONDS): when it gets quiet, they are asked for once more. */
const SETTLED_MS = 2_500;

/** Follows what happens on the server and lets the pages that show it ask again. */
class Live {
	/** The stream stands; without it pages are as old as their last look. */
	isConnected = $state(false);
	/** The stream does not stand although it should: no word of that while the app only starts. */
	isLost = $state(false);

	/** How often pages ask of their own accord, in milliseconds; not at all while they are told. */
	get askEvery(): number | false {
		return this.isConnected ? false : WITHOUT_NEWS_MS;
	}

	/** Returns how to stop. The page is drawn first. */
	follow(queries: QueryClient): () => void {
		// What happens until the stream stands is told when it does, as if it had been lost since.
		const since = uuidv7();
		let stop: (() => void) | undefined;
		let isStopped = false;
		const open = async () => {
			const { EventSource } = await import('eventsource');
			if (!isStopped) stop = this.#listen(queries, EventSource, since);
		};
		const callOff = whenIdle(() => void open());
		return () => {
			isStopped = true;
			callOff();
			stop?.();
		};
	}

	#listen(queries: QueryClient, Source: typeof import('eventsource').EventSource, since: string): () => void {
		// Renewing the token is the client's business; the stream ends with its token and is opened anew.
		const source = new Source(apiUrl('/api/v1/events'), {
			fetch: (url, init) => {
				// What the page shows comes first.
				const request = new Request(url, { ...(init as RequestInit), priority: 'low' });
				if (!request.headers.has('last-event-id')) request.headers.set('last-event-id', since);
				return authorized(request);
			}
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
		for (const topic of TOPICS) source.addEventListener(topic, () => note(INVALIDATES[topic]));
		source.addEventListener('reset', () => note(TOPICS.flatMap((topic) => INVALIDATES[topic])));
		const stands = (isConnected: boolean) => {
			this.isConnected = isConnected;
			this.isLost = !isConnected;
		};
		const patience = setTimeout(() => !this.isConnected && stands(false), PATIENCE_MS);
		source.addEventListener('open', () => stands(true));
		source.addEventListener('error', () => stands(false));
		document.addEventListener('visibilitychange', flush);
		return () => {
			clearTimeout(timer);
			clearTimeout(patience);
			clearTimeout(settled);
			document.removeEventListener('visibilitychange', flush);
			source.close();
			this.isConnected = false;
			this.isLost = false;
		};
	}
}

export const live = new Live();
