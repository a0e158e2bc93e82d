import type { QueryClient } from '@tanstack/svelte-query';
import type { Schemas } from '$lib/api/client';
import type { ActionResult, QueuedAction } from '$lib/features/outbox/actions';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';
import { isBillOutcome, isRefused, toneOf, wordsOf, type BillOutcome, type Tone } from '$lib/outcomes/outcome';
import { m } from '$lib/paraglide/messages.js';

/** A code that was scanned, typed or chosen, and its result. */
export interface Row {
	/** Id of the queued action. */
	id: string;
	code: string;
	outcome: BillOutcome;
	/** The bill it is on, where that is why it was refused. */
	otherBill: string | null;
	/** Something to know about a bag that was added, or why none was added. */
	note: string | null;
	/** The bag that made the bill full. */
	isLast: boolean;
}

/** Adds bags to one bill through the outbox: a code is stored on the device before it is sent. */
export class BillAddQueue {
	/** Newest first. */
	rows = $state<Row[]>([]);
	/** Hears the tone of each result, in order. */
	onresults: ((tones: Tone[]) => void) | null = null;

	constructor(
		private readonly outbox: Outbox,
		private readonly billNumber: string,
		private readonly queries: QueryClient
	) {}

	/** Whether this is the queue of the bill in the outbox of the same person. */
	isOf(outbox: Outbox, billNumber: string): boolean {
		return this.outbox === outbox && this.billNumber === billNumber;
	}

	/** Set when the browser stores nothing: what is scanned now is lost with the page. */
	get isBroken(): boolean {
		return this.outbox.isBroken;
	}

	/** Shows what is unsent and follows results. Returns how to stop. */
	follow(): () => void {
		this.outbox.watch({
			sees: ({ act }) => this.#isOwn(act) && document.visibilityState === 'visible',
			resolved: (result) => this.#resolve(result)
		});
		void this.#restore();
		return () => this.outbox.watch(null);
	}

	/** Why nothing can be sent now; null when it can. */
	get trouble(): string | null {
		switch (this.outbox.blockedReason) {
			case null:
				return null;
			case 'busy':
				return m.error_server();
			case 'offline':
				return m.error_network();
			case 'signed_out':
				return m.session_ended();
		}
	}

	get waiting(): number {
		return this.rows.filter((row) => row.outcome === 'pending').length;
	}

	get refused(): number {
		return this.rows.filter((row) => isRefused(row.outcome)).length;
	}

	/** Codes that did not fit on the bill, in the order they came. */
	get overflow(): string[] {
		return this.rows
			.filter((row) => row.outcome === 'bill_at_capacity')
			.map((row) => row.code)
			.reverse();
	}

	add(codes: string[]): void {
		for (const code of codes) this.#addOne(code.trim().toUpperCase());
	}

	/** Adds again what did not fit. */
	addOverflow(): void {
		const codes = this.overflow;
		this.rows = this.rows.filter((row) => row.outcome !== 'bill_at_capacity');
		this.add(codes);
	}

	/** Hides what is answered. */
	clear(): void {
		this.rows = this.rows.filter((row) => row.outcome === 'pending');
	}

	#addOne(qr_code: string): void {
		const { act, kept } = this.outbox.add({ kind: 'bill_add', bill_number: this.billNumber, qr_code });
		this.rows = [rowOf(act), ...this.rows];
		void kept.then((isKept) => {
			if (isKept) return;
			this.#change(act.id, { outcome: 'not_taken', note: wordsOf('not_kept', null) });
			this.onresults?.(['bad']);
		});
	}

	/** What waits on the device from before the page was loaded, or was scanned in another tab. */
	async #restore(): Promise<void> {
		// A code that is scanned while the device is read may not be in the list yet.
		const shown = this.rows.map((row) => row.id);
		const unsent = (await this.outbox.list()).filter((act) => this.#isOwn(act));
		const missing = unsent.filter(({ id }) => !this.rows.some((row) => row.id === id));
		this.rows = [...this.rows, ...missing.reverse().map(rowOf)];
		// An action that was answered while another page was shown is no longer queued, and its result is unknown here.
		const isUnsent = (id: string) => unsent.some((act) => act.id === id);
		this.rows = this.rows.filter(({ id, outcome }) => outcome !== 'pending' || !shown.includes(id) || isUnsent(id));
	}

	#isOwn(act: QueuedAction): boolean {
		return act.kind === 'bill_add' && act.bill_number === this.billNumber;
	}

	#resolve(result: ActionResult): void {
		const { act, bill, elsewhere, outcome, warning } = result;
		if (!this.#isOwn(act)) return;
		const isLast = outcome === 'added' && bill !== null && bill.parent_bag_count >= bill.expected_parent_bags;
		const isKnown = isBillOutcome(outcome);
		this.#change(act.id, {
			outcome: isKnown ? outcome : 'not_taken',
			otherBill: outcome === 'already_billed' ? elsewhere : null,
			note: isKnown ? (warning ? m.bills_warning_open() : null) : wordsOf(outcome, elsewhere),
			isLast
		});
		if (bill) this.#showBill(bill);
		this.onresults?.([isLast ? 'done' : toneOf(isKnown ? outcome : 'not_taken')]);
		if (!isKnown) void this.queries.invalidateQueries({ queryKey: ['bills'] });
		if (this.waiting === 0) this.#invalidateLists();
	}

	#change(id: string, change: Partial<Row>): void {
		const row = this.rows.find((one) => one.id === id);
		if (row) Object.assign(row, change);
	}

	/** The bill is at once as the answer has it; an older request must not replace it. */
	#showBill(bill: Schemas['Bill']): void {
		const queryKey = ['bills', this.billNumber];
		void this.queries.cancelQueries({ queryKey, exact: true });
		this.queries.setQueryData(queryKey, bill);
	}

	#invalidateLists(): void {
		void this.queries.invalidateQueries({ queryKey: ['bills', this.billNumber, 'bags'] });
		// Lists that are not shown now are requested when they are shown again.
		for (const key of ['bills', 'bags']) void this.queries.invalidateQueries({ queryKey: [key], refetchType: 'none' });
	}
}

function rowOf({ id, qr_code }: QueuedAction): Row {
	return { id, code: qr_code, outcome: 'pending', otherBill: null, note: null, isLast: false };
}

let current: BillAddQueue | null = null;

/** The queue of a bill. What it shows stays while dialogs and other parts of the page come and go. */
export function billAddQueueOf(outbox: Outbox, billNumber: string, queries: QueryClient): BillAddQueue {
	if (!current?.isOf(outbox, billNumber)) current = new BillAddQueue(outbox, billNumber, queries);
	return current;
}
