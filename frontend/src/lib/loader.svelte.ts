import { sentenceOf } from '$lib/api/errors';

interface Answer<T> {
	data?: T;
	error?: unknown;
	response: Response;
}

/** What a screen shows of the server: the value, or why there is none. An older answer never replaces a newer one. */
export class Loader<T> {
	value = $state.raw<T | null>(null);
	failure = $state<string | null>(null);
	/** Status of the last answer; null before the first and when the server was not reached. */
	status = $state<number | null>(null);
	isLoading = $state(false);
	#latest = 0;

	constructor(private readonly request: () => Promise<Answer<T>>) {}

	/** Asks again; what is shown stays until the answer is there. */
	async reload(): Promise<void> {
		this.#latest += 1;
		const turn = this.#latest;
		this.isLoading = true;
		let answer: Partial<Answer<T>>;
		try {
			answer = await this.request();
		} catch (error) {
			answer = { error };
		}
		if (turn !== this.#latest) return;
		this.isLoading = false;
		this.status = answer.response?.status ?? null;
		if (answer.data === undefined) {
			this.failure = sentenceOf(answer.error);
		} else {
			this.failure = null;
			this.value = answer.data;
		}
	}

	/** Asks for something else: what was shown is not true of it. */
	async restart(): Promise<void> {
		this.value = null;
		await this.reload();
	}
}
