import { api, type Schemas } from '$lib/api/client';
import { isRefusal, type QueuedAction, type ActionResult } from '$lib/features/outbox/actions';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';
import { knownFormats } from '$lib/bag-formats/known-formats';
import { commandOf, normalized } from './commands';
import { ModeCore } from './mode-core';
import type { StationMode } from './station-mode';
import { Feed, type Entry } from './feed.svelte';
import { playTone } from './feedback';
import { billOutcomeOf, billRefusalOf, isOnBill, shownOnBill } from './bill-rules';

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
export class BillMode implements StationMode {
	readonly feed: Feed;
	bill = $state.raw<BillFacts | null>(null);
	readonly #core: ModeCore;
	#key: string;

	constructor(
		private readonly outbox: Outbox,
		readonly number: string
	) {
		this.#key = `traitortrack-bill-${number}`;
		this.feed = new Feed(`traitortrack-feed-${outbox.userId}-${number}`);
		this.#core = new ModeCore(outbox, this.feed);
		outbox.watch({ sees: ({ act }) => this.feed.sees(act.id), resolved: (result) => this.#resolve(result) });
		this.bill = this.#recall();
		const isOfBill = (act: { kind: string }) => 'bill_number' in act && act.bill_number === number;
		void outbox.list().then((acts) => this.feed.restore(acts.filter(isOfBill)));
		void this.#refresh(true);
	}

	/** Parents on the bill as far as the station knows, scans on their way included. */
	get count(): number {
		return shownOnBill(this.bill?.parent_bag_count ?? 0, this.feed.entries);
	}

	get undoable(): Entry | null {
		const isUndoable = ({ outcome, isUndoing }: Entry) => !isUndoing && (outcome === 'added' || outcome === 'pending');
		return this.feed.entries.find(isUndoable) ?? null;
	}

	scan(scanned: string): void {
		const code = normalized(scanned);
		if (code === '') return;
		const command = commandOf(code);
		if (command === 'undo' && this.undoable) return this.undo(this.undoable);
		if (command) return this.#core.refuseCommand(code, command === 'undo' ? 'nothing_to_undo' : 'not_in_bill_mode');
		const refusal = this.#refusalOf(code);
		if (refusal) return this.#core.refuse(code, this.number, refusal);
		const act = { kind: 'bill_add', bill_number: this.number, qr_code: code } as const;
		this.#core.do(act, {}, () => playTone('kept'));
	}

	undo(entry: Entry): void {
		const removal = { kind: 'bill_remove', bill_number: this.number, qr_code: entry.code } as const;
		this.#core.undo(entry, removal, (act) => this.#removed(act));
	}

	moveHere(): void {
		// Children are moved where parents are packed.
	}

	stop(): void {
		this.outbox.watch(null);
	}

	/** What the device refuses by itself: what is no code at all, and more while the server can't be asked. */
	#refusalOf(code: string): string | null {
		const verdict = knownFormats.current?.verdictOf(code) ?? 'undetermined';
		if (verdict === 'invalid_qr_code') return verdict;
		if (!this.#core.isBlocked) return null;
		const refusal = billRefusalOf(verdict);
		if (refusal || !this.bill || isOnBill(code, this.feed.entries)) return refusal;
		if (this.bill.status === 'completed') return 'bill_completed';
		return this.count >= this.bill.expected_parent_bags ? 'bill_at_capacity' : null;
	}

	#resolve(result: ActionResult): void {
		const { act, bill, elsewhere, warning } = result;
		if (!('bill_number' in act) || act.bill_number !== this.number) return;
		if (bill) this.#learn(bill);
		else if (isRefusal(result.outcome)) void this.#refresh();
		if (act.kind === 'bill_remove') return this.#resolveRemoval(act, result.outcome);
		const outcome = billOutcomeOf(result, knownFormats.current?.verdictOf(act.qr_code) ?? 'undetermined');
		this.#core.resolve(act.id, { outcome, elsewhere, warning, count: bill?.parent_bag_count ?? null });
	}

	#resolveRemoval(act: QueuedAction, outcome: string): void {
		if (!isRefusal(outcome)) return this.#removed(act);
		this.#core.resolveUndo(act, this.#leaving(act.qr_code), outcome, { isUndoing: false });
	}

	#removed(act: QueuedAction): void {
		this.#core.resolveUndo(act, this.#leaving(act.qr_code), 'removed', { outcome: 'removed', isUndoing: false });
	}

	#leaving(code: string): string[] {
		return this.feed.entries.filter((entry) => entry.code === code && entry.isUndoing).map(({ id }) => id);
	}

	async #refresh(isStart = false): Promise<void> {
		const path = { bill_number: this.number };
		const answer = await api.GET('/api/v1/bills/{bill_number}', { params: { path } }).catch(() => null);
		if (answer?.data) this.#learn(answer.data);
		else if (isStart && answer?.response.status === 404) this.#core.refuseCommand(this.number, 'bill_not_found');
	}

	#learn(bill: Schemas['Bill']): void {
		this.bill = bill;
		try {
			localStorage.setItem(this.#key, JSON.stringify(bill));
		} catch {
			// No room: it is asked for again after a reload.
		}
	}

	#recall(): BillFacts | null {
		try {
			return JSON.parse(localStorage.getItem(this.#key) ?? 'null') as BillFacts | null;
		} catch {
			return null;
		}
	}
}
