import { resolve } from '$app/paths';
import type { AuditEntry } from './actions';

/** Where the thing an entry is about can be seen; null where it has no page. */
export function pageOf({ entity_type, entity_id, action }: AuditEntry): string | null {
	switch (entity_type) {
		case 'bag':
			return action === 'bag_deleted' ? null : resolve('/(app)/bags/[qr_code]', { qr_code: entity_id });
		case 'bill':
			return action === 'bill_deleted' ? null : resolve('/(app)/bills/[bill_number]', { bill_number: entity_id });
		case 'user':
			return /^\d+$/.test(entity_id) && action !== 'user_deleted'
				? resolve('/(app)/users/[id]', { id: entity_id })
				: null;
		case 'import':
			return resolve('/(app)/imports/[id]', { id: entity_id });
		case 'bag_format':
			return resolve('/formats');
		case 'dispatch_area':
			return resolve('/areas');
		case 'api_key':
			return resolve('/api-keys');
		case 'promotion_request':
			return resolve('/promotion-requests');
		case 'system':
			return resolve('/system');
		default:
			return null;
	}
}

/** The audit log with filters. */
export function logWith(filters: Record<string, string | number>): string {
	const query = new URLSearchParams(Object.entries(filters).map(([name, value]) => [name, String(value)]));
	return `${resolve('/audit-log')}?${query}`;
}

/** The page of one entry. */
export const entryPage = (id: string): string => resolve('/(app)/audit-log/[id]', { id });
