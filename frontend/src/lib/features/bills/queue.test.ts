import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Schemas } from '$lib/api/client';
import { ApiError, NetworkError } from '$lib/api/errors';
import { AddingQueue, type Send, type Waiting } from './queue';

type Answer = Schemas['AddBagsResponse'];

const answer = { results: [], bill: {} } as unknown as Answer;

function watched(send: Send) {
	const answered: string[] = [];
	const refused: string[] = [];
	const stalled: unknown[] = [];
	let empty: () => void = () => undefined;
	const emptied = new Promise<void>((resolve) => (empty = resolve));
	const codesOf = (batch: Waiting[]) => batch.map((item) => item.code);
	const queue = new AddingQueue(send, {
		answered: (batch) => answered.push(...codesOf(batch)),
		refused: (batch) => refused.push(...codesOf(batch)),
		stalled: (error) => stalled.push(error),
		emptied: () => empty()
	});
	return { queue, answered, refused, stalled, emptied };
}

const items = (...codes: string[]): Waiting[] => codes.map((code, id) => ({ id, code }));

describe('AddingQueue', () => {
	beforeEach(() => vi.useFakeTimers());
	afterEach(() => vi.useRealTimers());

	it('keeps the order: what comes while a batch is away makes the next one', async () => {
		const batches: string[][] = [];
		let free: () => void = () => undefined;
		const away = new Promise<void>((resolve) => (free = resolve));
		const { queue, answered, emptied } = watched(async (codes) => {
			batches.push(codes);
			await away;
			return answer;
		});
		for (const code of ['A', 'B', 'C', 'D']) queue.add(items(code));
		free();
		await emptied;
		expect(batches).toEqual([['A'], ['B', 'C', 'D']]);
		expect(answered).toEqual(['A', 'B', 'C', 'D']);
	});

	it('sends at most 500 at a time', async () => {
		const sizes: number[] = [];
		const { queue, emptied } = watched((codes) => {
			sizes.push(codes.length);
			return Promise.resolve(answer);
		});
		queue.add(items(...Array.from({ length: 1_201 }, (_, n) => `SB${n}`)));
		await emptied;
		expect(sizes).toEqual([500, 500, 201]);
	});

	it('sends an unanswered batch again with the same key', async () => {
		const keys: string[] = [];
		const { queue, answered, stalled, emptied } = watched((_, key) => {
			keys.push(key);
			return keys.length < 3 ? Promise.reject(new NetworkError(null)) : Promise.resolve(answer);
		});
		queue.add(items('A'));
		await vi.advanceTimersByTimeAsync(4_000);
		await emptied;
		expect(keys).toHaveLength(3);
		expect(new Set(keys).size).toBe(1);
		expect(answered).toEqual(['A']);
		expect(stalled.at(-1)).toBeNull();
	});

	it('goes on after a refusal', async () => {
		const { queue, answered, refused, emptied } = watched(([code]) =>
			code === 'A' ? Promise.reject(new ApiError(409, null)) : Promise.resolve(answer)
		);
		queue.add(items('A'));
		queue.add(items('B'));
		await emptied;
		expect(refused).toEqual(['A']);
		expect(answered).toEqual(['B']);
	});
});
