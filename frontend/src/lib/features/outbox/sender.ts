import { isRefusal, type Act, type Refusal, type Verdict } from './acts';
import type { ActStore } from './store';

/** Sends acts that go out together; throws [`NotNow`] when they have to wait. One verdict for each, in order. */
export type Transport = (acts: Act[]) => Promise<Verdict[]>;

/** Why nothing can be sent now: no way to the server, nobody signed in, or the server asks to wait. */
export type HoldUp = 'offline' | 'signed_out' | 'busy';

/** The server could not take the acts now. They stay in the store and are sent again with the same ids. */
export class NotNow extends Error {
	constructor(
		readonly reason: HoldUp,
		readonly retryAfterMs: number | null = null
	) {
		super(`not now: ${reason}`);
	}
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface SenderEvents {
	/** Whether a person has the answer to this act before their eyes; any other refusal is kept to be settled. */
	sees(verdict: Verdict): boolean;
	settled(verdict: Verdict): void;
	/** The queue or its state has changed. */
	changed(holdUp: HoldUp | null): void;
}

/** Empties the store into the server, in order, one request at a time over all tabs and the service worker. */
export class Sender {
	#running = false;
	#wakeUp: ((isUrgent: boolean) => void) | undefined;
	#stopped = false;

	constructor(
		private readonly userId: number,
		private readonly store: ActStore,
		private readonly events: SenderEvents,
		private readonly transport: Transport,
		private readonly alone: <T>(work: () => Promise<T>) => Promise<T>
	) {}

	/** There is something to send. Urgent: something that held it up is over, so no wait is worth keeping. */
	wake(isUrgent = false): void {
		if (this.#stopped) return;
		this.#wakeUp?.(isUrgent);
		if (!this.#running) void this.#run();
	}

	stop(): void {
		this.#stopped = true;
		this.#wakeUp?.(true);
	}

	async #run(): Promise<void> {
		this.#running = true;
		let waitMs = FIRST_WAIT_MS;
		try {
			while (!this.#stopped) {
				try {
					if (!(await this.alone(() => this.sendSome()))) return;
					waitMs = FIRST_WAIT_MS;
				} catch (error) {
					const { reason, retryAfterMs } = error instanceof NotNow ? error : new NotNow('offline');
					this.events.changed(reason);
					await this.#sleep(retryAfterMs ?? waitMs, retryAfterMs !== null);
					waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
				}
			}
		} finally {
			this.#running = false;
		}
	}

	/** Sends the oldest acts that go out together; false when there are none. */
	async sendSome(): Promise<boolean> {
		if (this.#stopped) return false;
		const acts = await this.store.take(this.userId);
		if (acts.length === 0) {
			this.events.changed(null);
			return false;
		}
		const verdicts = await this.transport(acts);
		const unseen = verdicts.filter((verdict) => isRefusal(verdict.outcome) && !this.events.sees(verdict));
		await this.store.settle(
			verdicts.map((verdict) => verdict.act.id),
			unseen.map(toRefusal),
			// A scan that was taken back needs no settling any more.
			verdicts.map(({ act }) => (act.kind === 'undo' ? act.scan_id : '')).filter(Boolean)
		);
		for (const verdict of verdicts) this.events.settled(verdict);
		this.events.changed(null);
		return true;
	}

	#sleep(ms: number, isDemanded: boolean): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#wakeUp = (isUrgent) => {
				// The next scan does not shorten a wait that the server asked for.
				if (isDemanded && !isUrgent) return;
				clearTimeout(timer);
				resolve();
			};
		});
	}
}

function toRefusal({ act, outcome, elsewhere, detail }: Verdict): Refusal {
	return {
		id: act.id,
		user_id: act.user_id,
		act,
		outcome,
		elsewhere,
		detail,
		refused_at: new Date().toISOString()
	};
}
