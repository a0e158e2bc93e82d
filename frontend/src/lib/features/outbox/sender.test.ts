import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { BagFormats, type BagFormat } from '$lib/bag-formats/formats';
import { uuidv7 } from '$lib/uuidv7';
import { isOpening, type QueuedAction, type NewAction, type ActionResult } from './actions';
import { deviceStore } from './device-store';
import { memoryStore } from './memory-store';
import { RetryLater, Sender, type FreshFormats, type BlockedReason, type Transport } from './sender';
import type { ActionStore } from './store';

const USER = 7;

function act(what: NewAction, user_id = USER): QueuedAction {
	return { ...what, id: uuidv7(), user_id, username: `person${user_id}`, at: new Date().toISOString() };
}

const scan = (qr_code: string, user_id = USER) =>
	act({ kind: 'scan', qr_code, parent_qr_code: 'SB12345', source: 'wedge' }, user_id);

const linked = (of: QueuedAction, outcome = 'linked'): ActionResult => ({
	act: of,
	outcome,
	bag: null,
	parent: null,
	elsewhere: null,
	bill: null,
	warning: null
});

const shared = JSON.parse(
	readFileSync(new URL('../../../../../api/tests/it/fixtures/code_verdicts.json', import.meta.url), 'utf8')
) as { formats: Record<string, BagFormat[]> };
const BUILT_IN = new BagFormats(shared.formats['built_in'] ?? []);
/** With `WH` and six digits as another parent. */
const WITH_WHEAT = new BagFormats(shared.formats['own_parent'] ?? []);

interface Run {
	blockedReasons: (BlockedReason | null)[];
	resolved: ActionResult[];
	/** Codes of acts that were replaced. */
	replaced: string[];
}

/** Resolves when the sender has nothing more to send. */
function emptied(store: ActionStore, transport: Transport, sees = false, formats?: FreshFormats): Promise<Run> {
	const run: Run = { blockedReasons: [], resolved: [], replaced: [] };
	return new Promise((resolve) => {
		const sender = new Sender(
			USER,
			store,
			{
				sees: () => sees,
				resolved: (result) => run.resolved.push(result),
				replaced: (replaced) => run.replaced.push(...replaced.map(({ after }) => after.qr_code)),
				changed: (blockedReason) => {
					run.blockedReasons.push(blockedReason);
					void store.list(USER).then((acts) => acts.length === 0 && resolve(run));
				}
			},
			transport,
			(work) => work(),
			formats
		);
		sender.wake();
	});
}

async function clear(): Promise<void> {
	for (const user of [USER, 8]) {
		await deviceStore.resolve(
			(await deviceStore.list(user)).map((one) => one.id),
			[],
			(await deviceStore.refusals(user)).map((one) => one.id)
		);
	}
}

describe.each([
	['on the device', () => deviceStore],
	['in memory', memoryStore]
])('Sender with acts kept %s', (_, open) => {
	let store: ActionStore;
	beforeEach(async () => {
		await clear();
		store = open();
	});

	it('sends everything in order and forgets it when it is answered', async () => {
		const scans = Array.from({ length: 230 }, (_, n) => scan(`CB-${n}`));
		for (const one of scans) await store.add(one);
		const batches: string[][] = [];
		const { resolved } = await emptied(store, async (batch) => {
			batches.push(batch.map((one) => one.id));
			return batch.map((one) => linked(one));
		});
		expect(batches.map((batch) => batch.length)).toEqual([100, 100, 30]);
		expect(batches.flat()).toEqual(scans.map((one) => one.id));
		expect(resolved.map((result) => result.act.id)).toEqual(batches.flat());
		expect(await store.waiting()).toEqual([]);
	});

	it('never changes the order between scans and what is done about them', async () => {
		const first = scan('CB-1');
		const acts = [
			first,
			scan('CB-2'),
			act({ kind: 'undo', scan_id: first.id, qr_code: 'CB-1', parent_qr_code: 'SB12345' }),
			scan('CB-3'),
			act({ kind: 'complete', qr_code: 'SB12345' }),
			act({ kind: 'bill_add', bill_number: 'BILL-1', qr_code: 'SB12345' }),
			act({ kind: 'bill_add', bill_number: 'BILL-1', qr_code: 'SB12346' }),
			scan('CB-4')
		];
		for (const one of acts) await store.add(one);
		const batches: string[][] = [];
		await emptied(store, async (batch) => {
			batches.push(batch.map((one) => one.id));
			return batch.map((one) => linked(one));
		});
		expect(batches.flat()).toEqual(acts.map((one) => one.id));
		expect(batches.map((batch) => batch.length)).toEqual([2, 1, 1, 1, 1, 1, 1]);
	});

	it('keeps the order in which things were done, even if ids go back with a corrected clock', async () => {
		const later = { ...scan('CB-1'), id: uuidv7(Date.now() + 86_400_000) };
		const earlier = { ...scan('CB-2'), id: uuidv7(Date.now()) };
		await store.add(later);
		await store.add(earlier);
		expect((await store.take(USER)).map((one) => one.id)).toEqual([later.id, earlier.id]);
	});

	it('keeps what was not answered and sends it again with the same ids', async () => {
		const scans = [scan('CB-1'), scan('CB-2')];
		for (const one of scans) await store.add(one);
		const tries: string[][] = [];
		const { blockedReasons } = await emptied(store, async (batch) => {
			tries.push(batch.map((one) => one.id));
			if (tries.length === 1) throw new TypeError('Failed to fetch');
			if (tries.length === 2) throw new RetryLater('busy', 1);
			return batch.map((one) => linked(one));
		});
		const ids = scans.map((one) => one.id);
		expect(tries).toEqual([ids, ids, ids]);
		expect(blockedReasons.slice(0, 3)).toEqual(['offline', 'busy', null]);
	});

	it("leaves another person's scans alone", async () => {
		const other = scan('CB-9', 8);
		await store.add(other);
		await store.add(scan('CB-1'));
		await emptied(store, async (batch) => batch.map((one) => linked(one)));
		expect(await store.list(8)).toEqual([other]);
		expect(await store.waiting()).toEqual([{ user_id: 8, username: 'person8', count: 1 }]);
	});

	it('keeps a refusal that nobody saw until it is settled', async () => {
		const refused = scan('CB-1');
		await store.add(refused);
		await store.add(scan('CB-2'));
		await emptied(store, async (batch) =>
			batch.map((one) => linked(one, one.id === refused.id ? 'linked_elsewhere' : 'linked'))
		);
		expect((await store.refusals(USER)).map(({ id, outcome }) => [id, outcome])).toEqual([
			[refused.id, 'linked_elsewhere']
		]);
		await store.dropRefusal(refused.id);
		expect(await store.refusals(USER)).toEqual([]);
	});

	it('does not keep a refusal that was seen', async () => {
		await store.add(scan('CB-1'));
		await emptied(store, async (batch) => batch.map((one) => linked(one, 'parent_full')), true);
		expect(await store.refusals(USER)).toEqual([]);
	});

	it('has nothing to settle of a scan that was taken back', async () => {
		const refused = scan('CB-1');
		await store.add(refused);
		await store.add(act({ kind: 'undo', scan_id: refused.id, qr_code: 'CB-1', parent_qr_code: 'SB12345' }));
		await emptied(store, async (batch) =>
			batch.map((one) => linked(one, one.kind === 'undo' ? 'nothing_undone' : 'linked_elsewhere'))
		);
		expect(await store.refusals(USER)).toEqual([]);
	});

	it('takes back what was never sent, and nothing else', async () => {
		const sent = scan('CB-1');
		await store.add(sent);
		await store.take(USER);
		const unsent = scan('CB-2');
		await store.add(unsent);
		expect(await store.withdraw(sent.id)).toBe(false);
		expect(await store.withdraw(unsent.id)).toBe(true);
		expect(await store.withdraw(unsent.id)).toBe(false);
		expect((await store.list(USER)).map((one) => one.id)).toEqual([sent.id]);
	});

	it('sends nothing after it was stopped', async () => {
		await store.add(scan('CB-1'));
		let calls = 0;
		const events = { sees: () => false, resolved: () => undefined, changed: () => undefined };
		const transport: Transport = async (batch) => {
			calls += 1;
			return batch.map((one) => linked(one));
		};
		const sender = new Sender(USER, store, events, transport, (work) => work());
		sender.stop();
		sender.wake();
		await new Promise((wait) => setTimeout(wait, 20));
		expect(calls).toBe(0);
		expect(await store.list(USER)).toHaveLength(1);
	});

	it('keeps to a wait that the server asked for when more scans come', async () => {
		await store.add(scan('CB-1'));
		let calls = 0;
		const events = { sees: () => false, resolved: () => undefined, changed: () => undefined };
		const transport: Transport = async () => {
			calls += 1;
			throw new RetryLater('busy', 60_000);
		};
		const sender = new Sender(USER, store, events, transport, (work) => work());
		sender.wake();
		await expect.poll(() => calls).toBe(1);
		await new Promise((wait) => setTimeout(wait, 10));
		sender.wake();
		await new Promise((wait) => setTimeout(wait, 30));
		expect(calls).toBe(1);
		sender.wake(true);
		await expect.poll(() => calls).toBe(2);
		sender.stop();
	});

	describe('with formats', () => {
		const open = (qr_code: string) =>
			act({ kind: 'scan', qr_code, parent_qr_code: null, source: 'wedge', open_before: null });
		/** Which code goes where, batch by batch. */
		const briefly = (batches: QueuedAction[][]) =>
			batches.map((batch) =>
				batch.map((one) => `${one.qr_code}>${('parent_qr_code' in one && one.parent_qr_code) || 'open'}`)
			);

		it('sorts what waits before it is sent: what came behind a parent of a new format goes into it', async () => {
			for (const one of [open('SB12345'), scan('CB-1'), scan('WH000001'), scan('CB-2')]) await store.add(one);
			const batches: QueuedAction[][] = [];
			const { replaced } = await emptied(
				store,
				async (batch) => {
					batches.push(batch);
					return batch.map((one) => linked(one));
				},
				false,
				async () => WITH_WHEAT
			);
			expect(briefly(batches).flat()).toEqual(['SB12345>open', 'CB-1>SB12345', 'WH000001>open', 'CB-2>WH000001']);
			expect(replaced).toEqual(['WH000001', 'CB-2']);
		});

		it('asks for them before it sends anything, and again after every hold-up', async () => {
			for (const one of [scan('WH000001'), scan('CB-2')]) await store.add(one);
			const log: string[] = [];
			let asked = 0;
			await emptied(
				store,
				async (batch) => {
					log.push(...briefly([batch]).flat());
					return batch.map((one) => linked(one));
				},
				false,
				async (maxAgeMs) => {
					asked += 1;
					log.push(`formats ${maxAgeMs}`);
					if (asked === 1) throw new RetryLater('offline', 1);
					return WITH_WHEAT;
				}
			);
			expect(log).toEqual(['formats 0', 'formats 0', 'WH000001>open', 'CB-2>WH000001']);
		});

		it('opens what the server refused as a parent, although no format says so, before anything else is sent', async () => {
			await store.add(scan('OLD-PARENT'));
			const batches: QueuedAction[][] = [];
			const { resolved } = await emptied(
				store,
				async (batch) => {
					batches.push(batch);
					// Scanned while the first one was on its way.
					if (batches.length === 1) await store.add(scan('CB-1'));
					return batch.map((one) =>
						linked(one, one.qr_code === 'CB-1' ? 'linked' : isOpening(one) ? 'opened' : 'kind_mismatch')
					);
				},
				false,
				async () => BUILT_IN
			);
			expect(briefly(batches)).toEqual([['OLD-PARENT>SB12345'], ['OLD-PARENT>open'], ['CB-1>OLD-PARENT']]);
			expect(resolved.map(({ outcome }) => outcome)).toEqual(['opened', 'linked']);
			expect(batches[1]?.[0]?.id).not.toBe(batches[0]?.[0]?.id);
			expect(await store.refusals(USER)).toEqual([]);
		});

		it('refuses what is no parent either, as it was refused at first', async () => {
			await store.add(scan('CB-1'));
			const { resolved } = await emptied(
				store,
				async (batch) => batch.map((one) => linked(one, isOpening(one) ? 'bag_not_found' : 'kind_mismatch')),
				false,
				async () => BUILT_IN
			);
			expect(resolved.map(({ outcome }) => outcome)).toEqual(['kind_mismatch']);
			expect((await store.refusals(USER)).map(({ outcome }) => outcome)).toEqual(['kind_mismatch']);
		});

		it('sends what came while it asked for the formats only after it has been sorted too', async () => {
			await store.add(scan('CB-1'));
			const batches: QueuedAction[][] = [];
			let asked = 0;
			await emptied(
				store,
				async (batch) => {
					batches.push(batch);
					return batch.map((one) => linked(one));
				},
				false,
				async () => {
					asked += 1;
					if (asked === 1) for (const code of ['WH000001', 'CB-2']) await store.add(scan(code));
					return asked === 1 ? BUILT_IN : WITH_WHEAT;
				}
			);
			expect(briefly(batches)).toEqual([['CB-1>SB12345'], ['WH000001>open', 'CB-2>WH000001']]);
		});

		it('sends nothing unsorted, and leaves what went into no parent to settle', async () => {
			const due = (qr_code: string) =>
				act({ kind: 'scan', qr_code, parent_qr_code: null, source: 'wedge', sorting: 'due' });
			for (const one of [due('CB-1'), due('SB12345'), due('CB-2')]) await store.add(one);
			const batches: QueuedAction[][] = [];
			await emptied(
				store,
				async (batch) => {
					batches.push(batch);
					return batch.map((one) => linked(one, one.qr_code === 'CB-1' ? 'bag_not_found' : 'linked'));
				},
				false,
				async () => BUILT_IN
			);
			expect(briefly(batches)).toEqual([['CB-1>open'], ['SB12345>open', 'CB-2>SB12345']]);
			expect((await store.refusals(USER)).map(({ outcome }) => outcome)).toEqual(['no_parent_open']);
		});

		it('sends what was shown as refused alone, and leaves nothing of it to settle', async () => {
			const shown = act({
				kind: 'scan',
				qr_code: 'SB1',
				parent_qr_code: 'SB12345',
				source: 'wedge',
				shown_as: 'looks_like_parent'
			});
			for (const one of [scan('CB-1'), shown, scan('CB-2')]) await store.add(one);
			const batches: QueuedAction[][] = [];
			await emptied(
				store,
				async (batch) => {
					batches.push(batch);
					return batch.map((one) => linked(one, one.id === shown.id ? 'looks_like_parent' : 'linked'));
				},
				false,
				async () => BUILT_IN
			);
			expect(briefly(batches)).toEqual([['CB-1>SB12345'], ['SB1>SB12345'], ['CB-2>SB12345']]);
			expect(await store.refusals(USER)).toEqual([]);
		});
	});

	it('forgets what was shown as refused and never sent, and nothing else', async () => {
		const shown = { ...scan('SB1'), shown_as: 'looks_like_parent' } as QueuedAction;
		const sent = { ...shown, id: uuidv7(), attempted: true } as QueuedAction;
		const others = { ...shown, id: uuidv7(), user_id: 8 };
		for (const one of [shown, sent, others, scan('CB-1')]) await store.add(one);
		await store.withdrawShown(USER);
		expect((await store.list(USER)).map((one) => one.qr_code)).toEqual(['SB1', 'CB-1']);
		expect(await store.list(8)).toHaveLength(1);
	});

	it('replaces acts where they stand', async () => {
		const acts = [scan('CB-1'), scan('CB-2'), scan('CB-3', 8), scan('CB-4')];
		for (const one of acts) await store.add(one);
		const replaced = await store.replace(USER, (own) =>
			own.map((one) => (one.qr_code === 'CB-2' ? { ...one, id: 'other' } : one))
		);
		expect(replaced.map(({ before, after }) => [before.id, after.id])).toEqual([[acts[1]?.id, 'other']]);
		expect((await store.list(USER)).map((one) => one.id)).toEqual([acts[0]?.id, 'other', acts[3]?.id]);
	});
});
