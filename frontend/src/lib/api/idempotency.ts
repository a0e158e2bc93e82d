import { uuidv7 } from '$lib/uuidv7';

/**
 * Headers that let one form be sent safely more than once: the same body keeps its key, so a retry after a lost answer
 * does nothing twice; a body that was changed is a new wish and gets a new key. Make one per form.
 */
export function idempotencyHeaders(): (body: unknown) => { 'Idempotency-Key': string } {
	let last = '';
	let key = '';
	return (body) => {
		const text = JSON.stringify(body);
		if (text !== last || !key) key = uuidv7();
		last = text;
		return { 'Idempotency-Key': key };
	};
}
