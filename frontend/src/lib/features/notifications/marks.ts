import type { QueryClient } from '@tanstack/svelte-query';
import { api } from '$lib/api/client';
import { unwrap } from '$lib/api/query';

/** Marks notifications as read or not, all of them without `ids`, and lets every place that shows them ask again. */
export async function mark(client: QueryClient, is_read: boolean, ids?: string[]): Promise<number> {
	const answer = await unwrap(
		api.PATCH('/api/v1/notifications', {
			headers: { 'content-type': 'application/merge-patch+json' },
			body: ids ? { is_read, ids } : { is_read }
		})
	);
	await client.invalidateQueries({ queryKey: ['notifications'] });
	return answer.changed;
}
