import type { QueryClient } from '@tanstack/svelte-query';
import { api, type Schemas } from '$lib/api/client';
import { unwrap } from '$lib/api/query';
import { m } from '$lib/paraglide/messages.js';
import { toast } from '$lib/toast';

/** What changes with a bag: lists of it, its scans, the numbers, the weight of its bill. */
const OLD_AFTER_CHANGE = ['bags', 'bills', 'scans', 'stats'];

/** What people do with a bag on its page: each change asks the server, invalidates what shows it and says what came of it. */
export class BagActions {
	constructor(private readonly queries: QueryClient) {}

	/** Lets every page that shows bags ask again. */
	async invalidate(): Promise<void> {
		await Promise.all(OLD_AFTER_CHANGE.map((key) => this.queries.invalidateQueries({ queryKey: [key] })));
	}

	/** Completes or reopens a parent. */
	async setStatus(code: string, status: 'open' | 'completed'): Promise<void> {
		const params = { path: { qr_code: code } };
		try {
			if (status === 'completed') {
				await unwrap(api.POST('/api/v1/bags/{qr_code}/complete', { params }));
				toast.done(m.bag_completed({ code }), () => this.setStatus(code, 'open'));
			} else {
				await unwrap(api.POST('/api/v1/bags/{qr_code}/reopen', { params }));
				toast.done(m.bag_reopened({ code }));
			}
		} catch (error) {
			toast.failed(error);
		}
		await this.invalidate();
	}

	/** Takes a child out of its parent; the toast puts it back. */
	async takeOut(code: string, parent: string): Promise<void> {
		try {
			await this.#put(code, null);
			toast.done(m.bag_taken_out({ code, parent }), () => this.#putBack(code, parent));
		} catch (error) {
			toast.failed(error);
		}
		await this.invalidate();
	}

	/**
	 * Moves a child to the parent `to`; the toast takes it back.
	 *
	 * # Errors
	 * The server's refusal: the form that asks shows it.
	 */
	async move(code: string, from: string | null, to: string): Promise<void> {
		await this.#put(code, to);
		toast.done(m.bag_moved({ code, parent: to }), () => (from ? this.#putBack(code, from) : this.takeOut(code, to)));
		await this.invalidate();
	}

	async #putBack(code: string, parent: string): Promise<void> {
		try {
			await this.#put(code, parent);
			toast.done(m.bag_put_back({ code, parent }));
		} catch (error) {
			toast.failed(error);
		}
		await this.invalidate();
	}

	#put(qr_code: string, parent_qr_code: string | null): Promise<Schemas['Bag']> {
		return unwrap(
			api.PUT('/api/v1/bags/{qr_code}/parent', { params: { path: { qr_code } }, body: { parent_qr_code } })
		);
	}
}
