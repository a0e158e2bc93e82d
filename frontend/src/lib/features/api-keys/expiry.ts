import { m } from '$lib/paraglide/messages.js';

const DAY_MS = 86_400_000;

/** How long a key may live: a number of days, a day of one's own, or for ever. */
export type Lifetime = '30' | '90' | '365' | 'day' | 'never';

export const LIFETIMES: { value: Lifetime; label: () => string }[] = [
	{ value: '30', label: () => m.keys_days({ count: 30 }) },
	{ value: '90', label: () => m.keys_days({ count: 90 }) },
	{ value: '365', label: m.keys_one_year },
	{ value: 'day', label: m.keys_own_day },
	{ value: 'never', label: m.keys_never_ends }
];

/** The moment a key ends: a day of one's own counts to its end. */
export function endOf(lifetime: Lifetime, day: string, now = Date.now()): string | null {
	if (lifetime === 'never') return null;
	if (lifetime === 'day') return new Date(`${day}T23:59:59`).toISOString();
	return new Date(now + Number(lifetime) * DAY_MS).toISOString();
}

/** How a key stands: `ending` in the last week of its life. */
export type KeyState = 'active' | 'ending' | 'expired' | 'revoked';

export function stateOf(key: { revoked_at: string | null; expires_at: string | null }, now = Date.now()): KeyState {
	if (key.revoked_at) return 'revoked';
	if (!key.expires_at) return 'active';
	const left = new Date(key.expires_at).getTime() - now;
	if (left <= 0) return 'expired';
	return left < 7 * DAY_MS ? 'ending' : 'active';
}
