/** A code that was out of the picture for this long is a new scan when it comes back. */
const GONE_MS = 2_000;

/** Tells a code that comes into the picture from one that is still there: a camera sees the same code many times a second. */
export class CodesInView {
	#lastSeen = new Map<string, number>();

	/** Takes the codes of a picture; returns those that have just come into view. */
	look(codes: string[], atMs: number): string[] {
		const fresh = [...new Set(codes)].filter((code) => {
			const seen = this.#lastSeen.get(code);
			return seen === undefined || atMs - seen > GONE_MS;
		});
		for (const code of codes) this.#lastSeen.set(code, atMs);
		for (const [code, seen] of this.#lastSeen) if (atMs - seen > GONE_MS) this.#lastSeen.delete(code);
		return fresh;
	}
}
