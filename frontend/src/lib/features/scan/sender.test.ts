import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '$lib/uuidv7';
import { NotNow, Sender, type Verdict } from './sender';
import { deviceStore, type QueuedScan } from './store';

const USER = 7;

function scan(code: string, user_id = USER): QueuedScan {
	return {
		id: uuidv7(),
		user_id,
		qr_code: code,
		parent_qr_code: 'SB12345',
		scanned_at: new Date().toISOString(),
		source: 'wedge'
	};
}

const verdict = (scan: QueuedScan): Verdict => ({
	id: scan.id,
	outcome: 'linked',
	bag: null,
	parent: null,
	linkedParent: null,
	detail: null
});

/** Resolves when the sender has nothing more to send. */
function emptied(transport: (scans: QueuedScan[]) => Promise<Verdict[]>, settled: string[] = []): Promise<number[]> {
	const waiting: number[] = [];
	return new Promise((resolve) => {
		const sender = new Sender(
			USER,
			deviceStore,
			{
				settled: (verdict) => settled.push(verdict.id),
				changed: (count) => {
					waiting.push(count);
					if (count === 0) resolve(waiting);
				}
			},
			transport,
			(work) => work()
		);
		sender.wake();
	});
}

describe('Sender', () => {
	beforeEach(async () => {
		await deviceStore.remove((await deviceStore.oldest(USER, 1000)).map((scan) => scan.id));
	});

	it('sends everything in order and forgets it when it is answered', async () => {
		const scans = Array.from({ length: 230 }, (_, n) => scan(`CB-${n}`));
		for (const one of scans) await deviceStore.add(one);
		const sent: string[] = [];
		const settled: string[] = [];
		await emptied(async (batch) => {
			sent.push(...batch.map((one) => one.id));
			return batch.map(verdict);
		}, settled);
		expect(sent).toEqual(scans.map((one) => one.id));
		expect(settled).toEqual(sent);
		expect(await deviceStore.count(USER)).toBe(0);
	});

	it('keeps what was not answered and sends it again with the same ids', async () => {
		const scans = [scan('CB-1'), scan('CB-2')];
		for (const one of scans) await deviceStore.add(one);
		const tries: string[][] = [];
		const waiting = await emptied(async (batch) => {
			tries.push(batch.map((one) => one.id));
			if (tries.length === 1) throw new TypeError('Failed to fetch');
			if (tries.length === 2) throw new NotNow(1);
			return batch.map(verdict);
		});
		const ids = scans.map((one) => one.id);
		expect(tries).toEqual([ids, ids, ids]);
		expect(waiting.slice(0, 2)).toEqual([2, 2]);
	});

	it("leaves another person's scans alone", async () => {
		const other = scan('CB-9', 8);
		await deviceStore.add(other);
		await deviceStore.add(scan('CB-1'));
		await emptied(async (batch) => batch.map(verdict));
		expect(await deviceStore.oldest(8, 10)).toEqual([other]);
	});
});
