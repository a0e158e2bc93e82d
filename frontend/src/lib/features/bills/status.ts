import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

/** How far a bill is, in the person's language. */
export function statusWords(status: Schemas['BillStatus']): string {
	switch (status) {
		case 'new':
			return m.bills_status_new();
		case 'processing':
			return m.bills_status_processing();
		case 'completed':
			return m.bills_status_finished();
	}
}
