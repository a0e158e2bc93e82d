import { exclusive } from './exclusive';
import { api, useTokens, type Schemas } from './api/client';

type User = Schemas['User'];
type TokenResponse = Schemas['TokenResponse'];

/** The token is renewed this long before it expires. */
const RENEW_BEFORE_MS = 60_000;

/** Who is signed in. The access token lives in memory alone; the refresh token in a cookie that scripts can't read. */
class Session {
	user = $state<User | null>(null);
	/** Known whether somebody is signed in. */
	ready = $state(false);
	/** Set while a second factor is asked for. */
	challenge = $state<string | null>(null);
	#token: string | null = null;
	#renewal: Promise<boolean> | null = null;
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor() {
		useTokens({ token: () => this.#token, renew: () => this.renew() });
	}

	get isAdmin(): boolean {
		return this.user?.role === 'admin';
	}

	get mayMove(): boolean {
		return this.user?.role === 'biller' || this.user?.role === 'admin';
	}

	/** Takes up the session of the cookie, if there is one. */
	async resume(): Promise<void> {
		await this.renew();
		this.ready = true;
	}

	/** After this, either somebody is signed in or a second factor is asked for; otherwise the problem comes back. */
	async signIn(username: string, password: string): Promise<unknown> {
		const { data, error } = await api.POST('/api/v1/auth/login', { body: { username, password } });
		if (data && 'challenge' in data) this.challenge = data.challenge;
		else if (data) this.#accept(data);
		return error;
	}

	/** Answers the challenge with a code of the app, or one of the recovery codes. */
	async verify(code: string): Promise<unknown> {
		const challenge = this.challenge ?? '';
		const { data, error } = await api.POST('/api/v1/auth/2fa/verify', { body: { challenge, code } });
		if (data) this.#accept(data);
		return error;
	}

	/** Back to name and password. */
	forgetChallenge(): void {
		this.challenge = null;
	}

	async changePassword(current_password: string, new_password: string): Promise<unknown> {
		const { data, error } = await api.POST('/api/v1/me/password', { body: { current_password, new_password } });
		if (data) this.#accept(data);
		return error;
	}

	async signOut(): Promise<void> {
		await api.POST('/api/v1/auth/logout').catch(() => undefined);
		this.#end();
	}

	/**
	 * Exchanges the cookie for a new token; false when the session has ended. A refresh token is good once, so tabs
	 * take turns: two at the same time would look like theft and end the session.
	 */
	renew(): Promise<boolean> {
		this.#renewal ??= exclusive('traitortrack-refresh', () => this.#exchange()).finally(() => (this.#renewal = null));
		return this.#renewal;
	}

	async #exchange(): Promise<boolean> {
		try {
			const { data, response } = await api.POST('/api/v1/auth/refresh');
			if (data) {
				this.#accept(data);
				return true;
			}
			if (response.status === 401) this.#end();
		} catch {
			// No network: the session may well be good still, so it is kept.
		}
		return false;
	}

	#accept(answer: TokenResponse): void {
		this.challenge = null;
		this.#token = answer.access_token;
		this.user = answer.user;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(
			() => void this.renew(),
			Math.max(answer.expires_in_seconds * 1000 - RENEW_BEFORE_MS, 5_000)
		);
	}

	#end(): void {
		clearTimeout(this.#timer);
		this.#token = null;
		this.user = null;
	}
}

export const session = new Session();
