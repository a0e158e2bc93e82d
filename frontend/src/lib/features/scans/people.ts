import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

interface PersonName {
	id: number;
	username: string;
}

/** Choices of whose scans are shown: oneself first, then all others that are known, by name; the chosen one is always among them. */
export function personOptions(
	me: PersonName | null,
	known: PersonName[],
	chosen: number | undefined
): { value: string; label: string }[] {
	const names = new Map(known.map(({ id, username }) => [id, username]));
	if (me) names.delete(me.id);
	if (chosen !== undefined && chosen !== me?.id && !names.has(chosen))
		names.set(chosen, m.scans_person_number({ id: chosen }));
	const others = [...names].sort(([, a], [, b]) => a.localeCompare(b));
	const options = others.map(([id, username]) => ({ value: String(id), label: username }));
	return me ? [{ value: String(me.id), label: m.scans_me({ name: me.username }) }, ...options] : options;
}

/** The people in a page of scans. */
export function peopleIn(scans: Schemas['Scan'][]): PersonName[] {
	return scans.map((scan) => scan.user);
}
