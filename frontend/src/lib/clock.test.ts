import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** The module as a page loads it on a device with this much in its storage. */
async function loadedWith(stored: Map<string, string>) {
	vi.resetModules();
	vi.stubGlobal('localStorage', {
		getItem: (key: string) => stored.get(key) ?? null,
		setItem: (key: string, value: string) => stored.set(key, value)
	});
	return import('./clock');
}

describe('clock over a restart', () => {
	let stored: Map<string, string>;
	beforeEach(() => (stored = new Map()));
	afterEach(() => vi.unstubAllGlobals());

	it('remembers how far the device is off, for a start without a network', async () => {
		const before = await loadedWith(stored);
		before.noteServerDate('Mon, 23 Nov 2026 10:00:00 GMT', Date.parse('2026-11-20T10:00:00Z'));
		const after = await loadedWith(stored);
		expect(after.serverNow(Date.parse('2026-11-20T11:00:00Z'))).toBe(Date.parse('2026-11-23T11:00:00Z'));
	});

	it('forgets it when the clock was put right', async () => {
		const before = await loadedWith(stored);
		before.noteServerDate('Mon, 23 Nov 2026 10:00:00 GMT', Date.parse('2026-11-20T10:00:00Z'));
		before.noteServerDate('Mon, 23 Nov 2026 10:00:00 GMT', Date.parse('2026-11-23T10:00:01Z'));
		const after = await loadedWith(stored);
		expect(after.serverNow(5)).toBe(5);
	});

	it('does without what is not a number', async () => {
		stored.set('traitortrack-clock-offset', 'yesterday');
		expect((await loadedWith(stored)).serverNow(5)).toBe(5);
	});
});
