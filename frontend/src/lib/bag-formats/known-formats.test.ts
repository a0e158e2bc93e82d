import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { BagFormat } from './formats';

const shared = JSON.parse(
	readFileSync(new URL('../../../../api/tests/it/fixtures/code_verdicts.json', import.meta.url), 'utf8')
) as { formats: Record<string, BagFormat[]> };
const BUILT_IN = shared.formats['built_in'] ?? [];
const WITH_WHEAT = shared.formats['own_parent'] ?? [];

/** The module as a page has it that was just loaded on this device. */
async function afterReload() {
	vi.resetModules();
	return (await import('./known-formats')).knownFormats;
}

describe('the formats that a device knows', () => {
	const stored = new Map<string, string>();
	beforeEach(() => {
		stored.clear();
		vi.stubGlobal('localStorage', {
			getItem: (key: string) => stored.get(key) ?? null,
			setItem: (key: string, text: string) => stored.set(key, text)
		});
	});

	it('are none before the first contact, and outlive reloads from then on', async () => {
		const first = await afterReload();
		expect(first.current).toBeNull();
		await expect(first.fresh(0, () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
		expect(first.current).toBeNull();
		await first.fresh(0, () => Promise.resolve(WITH_WHEAT));
		expect(first.current?.verdictOf('WH000001')).toBe('parent');
		const second = await afterReload();
		expect(second.current?.verdictOf('WH000001')).toBe('parent');
		expect(second.current?.prefixes).toContain('WH');
	});

	it('stay the same object until they change, so that nothing is sorted again for nothing', async () => {
		const known = await afterReload();
		const before = await known.fresh(0, () => Promise.resolve(BUILT_IN));
		expect(await known.fresh(0, () => Promise.resolve(structuredClone(BUILT_IN)))).toBe(before);
		const after = await known.fresh(0, () => Promise.resolve(WITH_WHEAT));
		expect(after).not.toBe(before);
		expect(known.current).toBe(after);
	});

	it('are asked for only when they are older than wanted; kept ones of an earlier visit are', async () => {
		const load = vi.fn(() => Promise.resolve(BUILT_IN));
		await (await afterReload()).fresh(Infinity, load);
		expect(load).toHaveBeenCalledTimes(1);
		const known = await afterReload();
		await known.fresh(Infinity, load);
		expect(load).toHaveBeenCalledTimes(1);
		await known.fresh(60_000, load);
		expect(load).toHaveBeenCalledTimes(2);
		await known.fresh(60_000, load);
		expect(load).toHaveBeenCalledTimes(2);
		await known.fresh(0, load);
		expect(load).toHaveBeenCalledTimes(3);
	});

	it('are as good as none when the device has kept something else', async () => {
		stored.set('traitortrack-bag-formats', '{"not": "a list"');
		expect((await afterReload()).current).toBeNull();
	});

	it('need no place on the device', async () => {
		vi.stubGlobal('localStorage', undefined);
		const known = await afterReload();
		expect((await known.fresh(0, () => Promise.resolve(BUILT_IN))).verdictOf('SB12345')).toBe('parent');
	});
});
