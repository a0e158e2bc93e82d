import { BagFormats, type BagFormat } from './formats';

const KEY = 'traitortrack-bag-formats';
/** A device asks this often whether an admin has changed the formats, beside the moments when it comes back. */
const CHECK_MS = 30_000;

/** Service workers have no local storage: they ask the server whenever they send. */
const storage = typeof localStorage === 'undefined' ? null : localStorage;

/**
 * The bag formats that this device has got from the server, kept for work without a network. They replace no answer
 * of the server: they decide how a scan is shown and sent before there is one.
 */
class KnownFormats {
	#text: string | null = null;
	#current: BagFormats | null = null;
	#loadedAtMs = -Infinity;

	constructor() {
		this.#recall();
	}

	/** What was known last; another object when they have changed. Null before the first contact with a server. */
	get current(): BagFormats | null {
		return this.#current;
	}

	/**
	 * Formats that were asked for no longer ago than this, in milliseconds.
	 *
	 * # Errors
	 * Those of `load`.
	 */
	async fresh(maxAgeMs: number, load: () => Promise<BagFormat[]>): Promise<BagFormats> {
		const isFresh = performance.now() - this.#loadedAtMs <= maxAgeMs;
		if (this.#current && isFresh) return this.#current;
		const askedAtMs = performance.now();
		const list = await load();
		this.#loadedAtMs = Math.max(this.#loadedAtMs, askedAtMs);
		return this.#learn(list);
	}

	/** Asks now, again and again, and whenever the device comes back. Returns how to stop. */
	follow(refresh: () => void): () => void {
		const look = () => {
			if (document.visibilityState === 'visible') refresh();
		};
		// Another tab has asked.
		const recall = (event: StorageEvent) => event.key === KEY && this.#recall();
		const timer = setInterval(look, CHECK_MS);
		window.addEventListener('online', look);
		window.addEventListener('focus', look);
		document.addEventListener('visibilitychange', look);
		window.addEventListener('storage', recall);
		refresh();
		return () => {
			clearInterval(timer);
			window.removeEventListener('online', look);
			window.removeEventListener('focus', look);
			document.removeEventListener('visibilitychange', look);
			window.removeEventListener('storage', recall);
		};
	}

	#learn(list: BagFormat[]): BagFormats {
		const text = JSON.stringify(list);
		if (this.#current && text === this.#text) return this.#current;
		this.#text = text;
		this.#current = new BagFormats(list);
		try {
			storage?.setItem(KEY, text);
		} catch {
			// No room: they are asked for again after a reload.
		}
		return this.#current;
	}

	#recall(): void {
		try {
			const text = storage?.getItem(KEY);
			if (text) this.#learn(JSON.parse(text) as BagFormat[]);
		} catch {
			// Not readable: as if there had been no contact yet.
		}
	}
}

export const knownFormats = new KnownFormats();
