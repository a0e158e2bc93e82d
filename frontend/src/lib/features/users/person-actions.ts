import type { Component } from 'svelte';
import KeyRound from '@lucide/svelte/icons/key-round';
import LockOpen from '@lucide/svelte/icons/lock-open';
import Pencil from '@lucide/svelte/icons/pencil';
import ShieldOff from '@lucide/svelte/icons/shield-off';
import UserRoundCheck from '@lucide/svelte/icons/user-round-check';
import UserRoundX from '@lucide/svelte/icons/user-round-x';
import Trash2 from '@lucide/svelte/icons/trash-2';
import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

type User = Schemas['User'];

/** What can be done with a person. */
export type PersonAction = 'edit' | 'password' | 'unlock' | 'reset_factor' | 'disable' | 'enable' | 'delete';

interface Item {
	label: string;
	icon: Component<{ size?: number; 'aria-hidden'?: 'true' }>;
	isDangerous?: boolean;
	onselect: () => void;
}

/** The menu of a person: only what makes sense for the state they are in. */
export function personMenu(user: User, myId: number | undefined, choose: (action: PersonAction) => void): Item[] {
	const items: Item[] = [
		{ label: m.edit(), icon: Pencil, onselect: () => choose('edit') },
		{ label: m.users_set_password(), icon: KeyRound, onselect: () => choose('password') }
	];
	if (user.locked_until) items.push({ label: m.users_unlock(), icon: LockOpen, onselect: () => choose('unlock') });
	// One's own goes by the profile, which asks for the password: a stolen session must not be enough.
	if (user.two_factor_enabled && user.id !== myId)
		items.push({ label: m.users_reset_factor(), icon: ShieldOff, onselect: () => choose('reset_factor') });
	items.push(
		user.is_active
			? { label: m.users_disable(), icon: UserRoundX, onselect: () => choose('disable') }
			: { label: m.users_enable(), icon: UserRoundCheck, onselect: () => choose('enable') },
		{ label: m.delete(), icon: Trash2, isDangerous: true, onselect: () => choose('delete') }
	);
	return items;
}
