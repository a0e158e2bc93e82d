import { api, type Schemas } from '$lib/api/client';
import { isRefusal, type Verdict } from '$lib/features/outbox/acts';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';
import { m } from '$lib/paraglide/messages.js';
import { commandOf, normalized } from './commands';
import type { Desk } from './desk';
import { Feed, isFresh, type Entry } from './feed.svelte';
import { give, say } from './feedback';
import { toneOf, wordsOf } from './outcome';

/** What is known of the bill; without a network, what was known last. */
export type BillFacts = Pick<
	Schemas['Bill'],
	| 'bill_number'
	| 'destination'
	| 'status'
	| 'expected_parent_bags'
	| 'parent_bag_count'
	| 'actual_weight_kg'
	| 'expected_weight_kg'
>;

/** Putting parents on a bill by scanning them: kept first, shown at once, like packing. */
export class BillDesk implements Desk {
	readonly feed: Feed;
	bill = $state.raw<BillFacts | null>(null);
	message = $state<string | null>(null);
	#key: string;

	constructor(
		private readonly outbox: Outbox,
		readonly number: string
	) {
		this.#key = `traitortrack-bill-${number}`;
		this.feed = new Feed(`traitortrack-feed-${outbox.userId}-${number}`);
		outbox.watch({ sees: ({ act }) => this.feed.sees(act.id), settled: (verdict) => this.#settle(verdict) });
		this.bill = this.#recall();
		const isOfBill = (act: { kind: string }) => 'bill_number' in act && act.bill_number === number;
		void outbox.list().then((acts) => this.feed.restore(acts.filter(isOfBill)));
		void this.#refresh();
	}

	/** Parents on the bill as far as the station knows, scans on their way included. */
	get count(): number {
		const coming = this.feed.entries.filter(({ outcome, isUndoing }) => outcome === 'pending' && !isUndoing);
		const leaving = this.feed.entries.filter(({ outcome, isUndoing }) => outcome !== 'pending' && isUndoing);
		return Math.max(0, (this.bill?.parent_bag_count ?? 0) + coming.length - leaving.length);
	}

	get undoable(): Entry | null {
		const isUndoable = ({ outcome, isUndoing }: Entry) => !isUndoing && (outcome === 'added' || outcome === 'pending');
		return this.feed.entries.find(isUndoable) ?? null;
	}

	scan(scanned: string): void {
		const code = normalized(scanned);
		if (code === '') return;
		this.message = null;
		const command = commandOf(code);
		if (command === 'undo' && this.undoable) return this.undo(this.undoable);
		if (command) return this.#fail(command === 'undo' ? m.nothing_to_undo() : m.not_in_bill_mode());
		const { act, kept } = this.outbox.add({ kind: 'bill_add', bill_number: this.number, qr_code: code });
		this.feed.add(act);
		void kept.then((isKept) => {
			if (!isKept) this.feed.update(act.id, { outcome: 'not_kept' });
			if (!isKept) this.#fail(m.not_kept());
			else if (this.outbox.holdUp !== null) give('kept');
		});
	}

	undo(entry: Entry): void {
		this.message = null;
		this.feed.update(entry.id, { isUndoing: true });
		this.feed.latest = this.feed.find(entry.id) ?? null;
		const removal = { kind: 'bill_remove', bill_number: this.number, qr_code: entry.code } as const;
		void this.outbox.takeBack(entry.id, removal).then((fate) => {
			if (fate === 'withdrawn') this.#removed(entry.code);
			if (fate === 'lost') this.#fail(m.not_kept());
		});
	}

	moveHere(): void {
		// Children are moved where parents are packed.
	}

	stop(): void {
		this.outbox.watch(null);
	}

	#settle({ act, outcome, bill, elsewhere, warning, detail }: Verdict): void {
		if (!('bill_number' in act) || act.bill_number !== this.number) return;
		if (bill) this.#learn(bill);
		if (act.kind === 'bill_remove') {
			if (!isRefusal(outcome)) return this.#removed(act.qr_code);
			for (const entry of this.#leaving(act.qr_code)) this.feed.update(entry.id, { isUndoing: false });
			return this.#fail(detail ?? m.outcome_refused());
		}
		const entry = this.feed.update(act.id, { outcome, elsewhere, warning, count: bill?.parent_bag_count ?? null });
		if (!entry || !isFresh(entry)) return;
		give(warning ? 'again' : toneOf(outcome));
		say(outcome === 'added' && entry.count !== null ? String(entry.count) : wordsOf(entry.outcome, entry.elsewhere));
	}

	#leaving(code: string): Entry[] {
		return this.feed.entries.filter((entry) => entry.code === code && entry.isUndoing);
	}

	#removed(code: string): void {
		for (const entry of this.#leaving(code)) this.feed.update(entry.id, { outcome: 'removed', isUndoing: false });
		give('again');
		say(m.outcome_removed());
	}

	#fail(message: string): void {
		this.message = message;
		give('bad');
		say(message);
	}

	async #refresh(): Promise<void> {
		const path = { bill_number: this.number };
		const answer = await api.GET('/api/v1/bills/{bill_number}', { params: { path } }).catch(() => null);
		if (answer?.data) this.#learn(answer.data);
		else if (answer?.response.status === 404) this.#fail(m.outcome_bill_not_found());
	}

	#learn(bill: Schemas['Bill']): void {
		this.bill = bill;
		localStorage.setItem(this.#key, JSON.stringify(bill));
	}

	#recall(): BillFacts | null {
		try {
			return JSON.parse(localStorage.getItem(this.#key) ?? 'null') as BillFacts | null;
		} catch {
			return null;
		}
	}
}
