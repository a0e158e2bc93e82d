import type { Component } from 'svelte';
import { base } from '$app/paths';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleX from '@lucide/svelte/icons/circle-x';
import Info from '@lucide/svelte/icons/info';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import type { Schemas } from '$lib/api/client';
import { ROLES, roleName } from '$lib/roles';
import { m } from '$lib/paraglide/messages.js';

export type Notification = Schemas['Notification'];

/** How a kind of notification looks and is called. */
export function typeOf({ type }: Notification): {
	label: string;
	tone: 'again' | 'ok' | 'warn' | 'bad';
	icon: Component<{ size?: number; 'aria-hidden'?: 'true' }>;
} {
	return {
		info: { label: m.ntf_info(), tone: 'again' as const, icon: Info },
		success: { label: m.ntf_success(), tone: 'ok' as const, icon: CircleCheck },
		warning: { label: m.ntf_warning(), tone: 'warn' as const, icon: TriangleAlert },
		error: { label: m.ntf_error(), tone: 'bad' as const, icon: CircleX }
	}[type];
}

/** A notification in the person's language; one that this version of the app does not know, in English. */
export function wordsOf(notification: Notification): { title: string; text: string } {
	const value = (name: string) => textIn(notification.parameters, name);
	const role = roleIn(value('wanted_role'));
	switch (notification.code) {
		case 'promotion_requested':
			return {
				title: m.ntf_promotion_requested(),
				text: m.ntf_promotion_requested_text({ name: value('username'), role })
			};
		case 'promotion_approved':
			return {
				title: m.ntf_promotion_approved(),
				text: [m.ntf_promotion_approved_text({ role }), value('note')].join(' ').trim()
			};
		case 'promotion_rejected':
			return {
				title: m.ntf_promotion_rejected(),
				text: [m.ntf_promotion_rejected_text({ role }), value('note')].join(' ').trim()
			};
		default:
			return { title: notification.title, text: notification.message };
	}
}

/** Address of the page that a notification is about; only pages of this app. */
export function hrefOf({ link }: Notification): string | null {
	return link && /^\/(?![/\\])/.test(link) ? base + link : null;
}

function textIn(parameters: object, name: string): string {
	const value: unknown = Object.entries(parameters).find(([key]) => key === name)?.[1];
	return typeof value === 'string' ? value : '';
}

function roleIn(value: string): string {
	const role = ROLES.find((one) => one === value);
	return role ? roleName(role) : value;
}
