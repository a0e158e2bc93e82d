import type { QueryClient } from '@tanstack/svelte-query';
import { api, type Schemas } from '$lib/api/client';
import { sentenceOf } from '$lib/api/errors';
import { unwrap } from '$lib/api/query';
import type { Tone } from '$lib/outcomes/outcome';
import { m } from '$lib/paraglide/messages.js';
import { getLocale } from '$lib/paraglide/runtime.js';
import { isRefused, toneOf, type Outcome } from './outcome';
import { AddingQueue } from './queue';

/** A code that was scanned, typed or chosen, and what came of it. */
export interface Row {
	id: number;
	code: string;
	outcome: Outcome;
	/** The bill it is on, where that is why it was refused. */
	otherBill: string | null;
	/** Something to know about a bag that was added, or why none was taken. */
	note: string | null;
	/** The bag that made the bill complete. */
	isLast: boolean;
}

type Listener = (tones: Tone[]) => void;

/** Puts bags on one bill: shows each code at once, and what came of it when the server has answered. */
export class BillAddQueue {
	/** Newest first. */
	rows = $state<Row[]>([]);
	/** Why nothing goes out at the moment. */
	trouble = $state<string | null>(null);
	/** Hears what came of each code, in order. */
	onresults: Listener | null = null;
	#serial = 0;
	#queue: AddingQueue;

	constructor(
		private readonly billNumber: string,
		private readonly queries: QueryClient
	) {
		this.#queue = new AddingQueue((codes, key) => this.#send(codes, key), {
			answered: (batch, answer) => {
				batch.forEach((item, index) => this.#settle(item.id, answer, index));
				this.#keep(answer.bill);
				this.onresults?.(batch.map((item) => this.#toneOf(item.id)));
			},
			refused: (batch, error) => {
				for (const item of batch) this.#change(item.id, { outcome: 'not_taken', note: sentenceOf(error) });
				this.onresults?.(['bad']);
				void queries.invalidateQueries({ queryKey: ['bills'] });
			},
			stalled: (error) => (this.trouble = error === null ? null : sentenceOf(error)),
			emptied: () => {
				window.removeEventListener('beforeunload', askToStay);
				void queries.invalidateQueries({ queryKey: ['bills', billNumber, 'bags'] });
				// Lists that nobody looks at now are asked for again when somebody does.
				for (const key of ['bills', 'bags']) void queries.invalidateQueries({ queryKey: [key], refetchType: 'none' });
			}
		});
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
		const items = codes.map((code) => ({ id: (this.#serial += 1), code: code.trim().toUpperCase() }));
		const rows = items.map((item) => ({
			...item,
			outcome: 'pending' as const,
			otherBill: null,
			note: null,
			isLast: false
		}));
		this.rows = [...rows.reverse(), ...this.rows];
		if (items.length === 0) return;
		window.addEventListener('beforeunload', askToStay);
		this.#queue.add(items);
	}

	/** Offers again what did not fit. */
	addOverflow(): void {
		const codes = this.overflow;
		this.rows = this.rows.filter((row) => row.outcome !== 'bill_at_capacity');
		if (codes.length > 0) this.add(codes);
	}

	/** Forgets what is answered. */
	clear(): void {
		this.rows = this.rows.filter((row) => row.outcome === 'pending');
	}

	wake(): void {
		this.#queue.wake();
	}

	#send(qr_codes: string[], key: string): Promise<Schemas['AddBagsResponse']> {
		return unwrap(
			api.POST('/api/v1/bills/{bill_number}/bags', {
				params: { path: { bill_number: this.billNumber } },
				headers: { 'Idempotency-Key': key },
				body: { qr_codes }
			})
		);
	}

	#settle(id: number, answer: Schemas['AddBagsResponse'], index: number): void {
		const result = answer.results[index];
		if (!result) return;
		const isFull = answer.bill.parent_bag_count >= answer.bill.expected_parent_bags;
		const isLast = isFull && index === answer.results.map(({ outcome }) => outcome).lastIndexOf('added');
		this.#change(id, {
			code: result.qr_code,
			outcome: result.outcome,
			otherBill: result.bill_number ?? null,
			note: result.warning ? sayWarning(result.warning) : null,
			isLast
		});
	}

	#change(id: number, change: Partial<Row>): void {
		const row = this.rows.find((row) => row.id === id);
		if (row) Object.assign(row, change);
	}

	#toneOf(id: number): Tone {
		const row = this.rows.find((row) => row.id === id);
		return !row ? 'pending' : row.isLast ? 'done' : toneOf(row.outcome);
	}

	/** The bill is at once as the answer has it; what was asked before must not replace it. */
	#keep(bill: Schemas['Bill']): void {
		const key = ['bills', this.billNumber];
		void this.queries.cancelQueries({ queryKey: key, exact: true });
		this.queries.setQueryData(key, bill);
	}
}

/** The server's own sentence names the bag; it is English. */
function sayWarning({ detail }: Schemas['AddWarning']): string {
	return getLocale() === 'en' ? detail : m.warning_parent_open();
}

/** What waits lives in this tab alone: the browser asks before it is closed. */
function askToStay(event: BeforeUnloadEvent): void {
	event.preventDefault();
}

// eslint-disable-next-line svelte/prefer-svelte-reactivity -- pages look one up and keep it
const addQueues = new Map<string, BillAddQueue>();

/** The addQueue of a bill and person: it goes on while other pages are looked at, and is found again on the way back. */
export function billAddQueueOf(userId: number, billNumber: string, queries: QueryClient): BillAddQueue {
	const key = `${userId}/${billNumber}`;
	let addQueue = addQueues.get(key);
	if (!addQueue) {
		addQueue = new BillAddQueue(billNumber, queries);
		addQueues.set(key, addQueue);
	}
	return addQueue;
}
