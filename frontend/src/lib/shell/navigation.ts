import type { Component } from 'svelte';
import { resolve } from '$app/paths';
import Activity from '@lucide/svelte/icons/activity';
import Bell from '@lucide/svelte/icons/bell';
import ChartColumn from '@lucide/svelte/icons/chart-column';
import CircleUser from '@lucide/svelte/icons/circle-user';
import FileDown from '@lucide/svelte/icons/file-down';
import FileUp from '@lucide/svelte/icons/file-up';
import History from '@lucide/svelte/icons/history';
import KeyRound from '@lucide/svelte/icons/key-round';
import LayoutDashboard from '@lucide/svelte/icons/layout-dashboard';
import MapPin from '@lucide/svelte/icons/map-pin';
import Package from '@lucide/svelte/icons/package';
import QrCode from '@lucide/svelte/icons/qr-code';
import ScanLine from '@lucide/svelte/icons/scan-line';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Settings from '@lucide/svelte/icons/settings';
import Truck from '@lucide/svelte/icons/truck';
import UserRoundCheck from '@lucide/svelte/icons/user-round-check';
import Users from '@lucide/svelte/icons/users';
import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

type Role = Schemas['Role'];

export interface Place {
	href: string;
	label: string;
	icon: Component<{ size?: number; 'aria-hidden'?: 'true' }>;
	/** Second key of its shortcut, after `g`. */
	key?: string;
	group: 'work' | 'data' | 'house' | 'own';
	/** Who may go there; everybody when absent. */
	roles?: Role[];
}

/** Every place of the app that this person may go to, in the order of the menu. */
export function placesFor(role: Role | undefined): Place[] {
	const billers: Role[] = ['biller', 'admin'];
	const admins: Role[] = ['admin'];
	const places: Place[] = [
		{ href: resolve('/scan'), label: m.nav_scan(), icon: ScanLine, key: 's', group: 'work' },
		{ href: resolve('/'), label: m.nav_dashboard(), icon: LayoutDashboard, key: 'o', group: 'work' },
		{ href: resolve('/bags'), label: m.nav_bags(), icon: Package, key: 'b', group: 'work' },
		{ href: resolve('/bills'), label: m.nav_bills(), icon: Truck, key: 'l', group: 'work' },
		{ href: resolve('/scans'), label: m.nav_scans(), icon: History, key: 'h', group: 'work' },
		{ href: resolve('/reports'), label: m.nav_reports(), icon: ChartColumn, key: 'r', group: 'data' },
		{ href: resolve('/exports'), label: m.nav_exports(), icon: FileDown, key: 'e', group: 'data', roles: billers },
		{ href: resolve('/imports'), label: m.nav_imports(), icon: FileUp, key: 'i', group: 'data', roles: admins },
		{ href: resolve('/users'), label: m.nav_users(), icon: Users, key: 'p', group: 'house', roles: admins },
		{ href: resolve('/areas'), label: m.nav_areas(), icon: MapPin, group: 'house', roles: admins },
		{ href: resolve('/formats'), label: m.nav_formats(), icon: QrCode, group: 'house', roles: admins },
		{ href: resolve('/api-keys'), label: m.nav_api_keys(), icon: KeyRound, group: 'house', roles: admins },
		{
			href: resolve('/audit-log'),
			label: m.nav_audit_log(),
			icon: ScrollText,
			key: 'a',
			group: 'house',
			roles: admins
		},
		{ href: resolve('/system'), label: m.nav_system(), icon: Activity, key: 'y', group: 'house', roles: admins },
		{ href: resolve('/notifications'), label: m.nav_notifications(), icon: Bell, key: 'n', group: 'own' },
		{ href: resolve('/promotion-requests'), label: m.nav_promotion_requests(), icon: UserRoundCheck, group: 'own' },
		{ href: resolve('/profile'), label: m.nav_profile(), icon: CircleUser, group: 'own' },
		{ href: resolve('/settings'), label: m.nav_settings(), icon: Settings, key: ',', group: 'own' }
	];
	return places.filter((place) => !place.roles || (role && place.roles.includes(role)));
}

export const groupNames: Record<Place['group'], () => string> = {
	work: m.group_work,
	data: m.group_data,
	house: m.group_house,
	own: m.group_own
};

/** Whether the page at `pathname` belongs to a place. */
export function isAt(place: Place, pathname: string): boolean {
	if (place.href === resolve('/')) return pathname === place.href;
	return pathname === place.href || pathname.startsWith(`${place.href}/`);
}
