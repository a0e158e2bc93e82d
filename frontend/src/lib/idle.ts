/** A browser that is busy for longer has to find the time. */
const LATEST_MS = 2_000;
/** Safari has no idle callbacks: it is taken to be busy this long. */
const BUSY_MS = 200;

/** Calls `run` when the browser has nothing else to do, but not before `ms` have passed. Returns how to call it off. */
export function whenIdle(run: () => void, ms = 0): () => void {
	let idle: number | undefined;
	let timer = setTimeout(() => {
		if ('requestIdleCallback' in window) idle = requestIdleCallback(run, { timeout: LATEST_MS });
		else timer = setTimeout(run, BUSY_MS);
	}, ms);
	return () => {
		clearTimeout(timer);
		if (idle !== undefined) cancelIdleCallback(idle);
	};
}
