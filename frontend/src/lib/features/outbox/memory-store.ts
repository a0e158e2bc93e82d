import { firstRun, isShownUnsent, type QueuedAction, type Refusal } from './actions';
import { differences } from './sort-again';
import type { UnsentOf } from '$lib/unsent-scans.svelte';
import type { ActionStore } from './store';

/** Where the browser keeps nothing (private windows of some): works, and is lost with the page. The station says so. */
export function memoryStore(): ActionStore {
	let acts: QueuedAction[] = [];
	let refusals: Refusal[] = [];
	const done = Promise.resolve();
	return {
		add(act) {
			acts.push(act);
			return done;
		},
		take(userId, sorted) {
			const run = firstRun(
				acts.filter((act) => act.user_id === userId),
				sorted
			);
			for (const act of run) act.attempted = true;
			return Promise.resolve(run);
		},
		list: (userId) => Promise.resolve(acts.filter((act) => act.user_id === userId)),
		waiting: () => Promise.resolve(countByPerson(acts)),
		withdraw(id) {
			const isHere = acts.some((act) => act.id === id && !act.attempted);
			if (isHere) acts = acts.filter((act) => act.id !== id);
			return Promise.resolve(isHere);
		},
		withdrawShown(userId) {
			acts = acts.filter((act) => act.user_id !== userId || !isShownUnsent(act));
			return done;
		},
		replace(userId, change) {
			const own = acts.filter((act) => act.user_id === userId);
			const replaced = differences(own, change(own));
			acts = acts.map((act) => replaced.find(({ before }) => before === act)?.after ?? act);
			return Promise.resolve(replaced);
		},
		resolve(answered, added, voided) {
			acts = acts.filter((act) => !answered.includes(act.id));
			refusals = [...refusals, ...added].filter((refusal) => !voided.includes(refusal.id));
			return done;
		},
		refusals: (userId) => Promise.resolve(refusals.filter((refusal) => refusal.user_id === userId)),
		dropRefusal(id) {
			refusals = refusals.filter((refusal) => refusal.id !== id);
			return done;
		}
	};
}

function countByPerson(acts: QueuedAction[]): UnsentOf[] {
	const people = new Map<number, UnsentOf>();
	for (const { user_id, username } of acts) {
		const person = people.get(user_id);
		if (person) person.count += 1;
		else people.set(user_id, { user_id, username, count: 1 });
	}
	return [...people.values()];
}
