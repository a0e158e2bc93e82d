import type { QueryClient } from '@tanstack/svelte-query';
import { api, type Schemas } from '$lib/api/client';
import { ApiError } from '$lib/api/errors';
import { unwrap } from '$lib/api/query';

type Bill = Schemas['Bill'];

const path = (bill_number: string) => ({ path: { bill_number } });

/** The server takes a change only from somebody who has seen the latest edit. */
const ifMatch = (bill: Bill) => ({ 'If-Match': `"${bill.version}"` });

/** Makes a bill; the same key makes the same one. */
export function createBill(body: Schemas['CreateBillRequest'], key: string): Promise<Bill> {
	return unwrap(api.POST('/api/v1/bills', { headers: { 'Idempotency-Key': key }, body }));
}

/** Changes what is written on a bill. */
export function changeBill(bill: Bill, body: Schemas['ChangeBillRequest']): Promise<Bill> {
	const headers = { ...ifMatch(bill), 'Content-Type': 'application/merge-patch+json' };
	return unwrap(api.PATCH('/api/v1/bills/{bill_number}', { params: path(bill.bill_number), headers, body }));
}

/** Finishes a bill: it is locked then. */
export function finishBill(bill: Bill): Promise<Bill> {
	return unwrap(api.POST('/api/v1/bills/{bill_number}/finish', { params: path(bill.bill_number) }));
}

/** Opens a finished bill again. */
export function reopenBill(bill: Bill, reason: string): Promise<Bill> {
	return unwrap(api.POST('/api/v1/bills/{bill_number}/reopen', { params: path(bill.bill_number), body: { reason } }));
}

/** Deletes a bill; its bags are free again. */
export function deleteBill(bill: Bill): Promise<unknown> {
	return unwrap(api.DELETE('/api/v1/bills/{bill_number}', { params: path(bill.bill_number), headers: ifMatch(bill) }));
}

/** Takes a bag off a bill. */
export function removeBag(bill_number: string, qr_code: string): Promise<unknown> {
	return unwrap(
		api.DELETE('/api/v1/bills/{bill_number}/bags/{qr_code}', { params: { path: { bill_number, qr_code } } })
	);
}

/** Somebody else changed it since it was read. */
export function isStale(error: unknown): boolean {
	return error instanceof ApiError && error.status === 412;
}

/** Everything that shows bills or the bags on them asks again. */
export async function billsChanged(queries: QueryClient): Promise<void> {
	await Promise.all(
		['bills', 'bags', 'stats', 'audit-logs'].map((key) => queries.invalidateQueries({ queryKey: [key] }))
	);
}
