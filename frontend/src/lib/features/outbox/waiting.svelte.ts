import type { WaitingOf } from './store';

/** What waits on this device; kept up to date once the outbox has been started. Small, so that any page may show it. */
class WaitingScans {
	/** Acts of the person signed in that the server has not answered yet. */
	mine = $state(0);
	/** Those of them that are not safe on the device yet: milliseconds, unless the device is full. */
	keeping = $state(0);
	/** Other people's, which wait until they sign in here again. */
	others = $state.raw<WaitingOf[]>([]);
	/** Refusals that wait for a decision. */
	toSettle = $state(0);
}

export const waitingScans = new WaitingScans();
