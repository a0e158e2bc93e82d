import type { QueuedAction, Refusal } from './actions';
import type { UnsentOf } from '$lib/unsent-scans.svelte';
import type { Replaced } from './sort-again';

/** Keeps acts until they are answered, in the order they were done, and refusals until they are resolved. */
export interface ActionStore {
	/** Resolves when the act is safe. */
	add(act: QueuedAction): Promise<void>;
	/** The oldest acts of a person that go out together, noted as attempted; of those with these ids, if given. */
	take(userId: number, sorted?: ReadonlySet<string>): Promise<QueuedAction[]>;
	/** Everything of a person, oldest first. */
	list(userId: number): Promise<QueuedAction[]>;
	/** How many acts wait, person by person. */
	waiting(): Promise<UnsentOf[]>;
	/** Takes back an act that was never sent; false when it may have reached the server. */
	withdraw(id: string): Promise<boolean>;
	/** Takes back scans that were shown as refused and never sent. */
	withdrawShown(userId: number): Promise<void>;
	/** In one step: replaces acts of a person by what `change` makes of them, place by place. */
	replace(userId: number, change: (acts: QueuedAction[]) => QueuedAction[]): Promise<Replaced[]>;
	/** In one step: forgets answered acts, keeps refusals, and drops refusals that have become void. */
	resolve(answered: string[], refusals: Refusal[], voided: string[]): Promise<void>;
	refusals(userId: number): Promise<Refusal[]>;
	dropRefusal(id: string): Promise<void>;
}
