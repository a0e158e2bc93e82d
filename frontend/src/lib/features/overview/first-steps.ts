import type { Schemas } from '$lib/api/client';

const KEY = 'traitortrack-first-steps-hidden';

/** Whether something of the beginning is still to be done: nobody else, no parent, or no bill. */
export function isNew({ users, bags, bills }: Schemas['Stats']): boolean {
	return users.total <= 1 || bags.parents === 0 || bills.total === 0;
}

/** Whether this person has put the first steps away on this device. */
export function areFirstStepsHidden(): boolean {
	return localStorage.getItem(KEY) !== null;
}

export function hideFirstSteps(): void {
	localStorage.setItem(KEY, 'yes');
}
