import { exclusive } from './exclusive';
import { api, useTokens, type Schemas } from './api/client';
import { refusalOf } from './api/errors';

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
	/** The session ended by itself, or was ended elsewhere; whoever comes back is told. */
	hasEnded = $state(false);
	/** The role demands a second factor: until it is set up, the server answers nothing else. */
	mustSetUpFactor = $state(false);
	#token: string | null = null;
	/** The server was asked last, and knows no session. */
	#isRefused = false;
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
		// Nobody who comes for the first time waits for an answer that can only be "no".
		if (wasHere()) {
			await this.renew();
			this.hasEnded = !this.user && this.#isRefused;
		}
		this.ready = true;
	}

	/** After this, either somebody is signed in or a second factor is asked for; otherwise the problem comes back. */
	async signIn(username: string, password: string): Promise<unknown> {
		const answer = await api.POST('/api/v1/auth/login', { body: { username, password } });
		if (answer.data && 'challenge' in answer.data) this.challenge = answer.data.challenge;
		else if (answer.data) this.#accept(answer.data);
		return answer.response.ok ? undefined : refusalOf(answer);
	}

	/** Answers the challenge with a code of the app, or one of the recovery codes. */
	async verify(code: string): Promise<unknown> {
		const challenge = this.challenge ?? '';
		const answer = await api.POST('/api/v1/auth/2fa/verify', { body: { challenge, code } });
		if (answer.data) this.#accept(answer.data);
		return answer.response.ok ? undefined : refusalOf(answer);
	}

	/** Back to name and password. */
	forgetChallenge(): void {
		this.challenge = null;
	}

	async changePassword(current_password: string, new_password: string): Promise<unknown> {
		const answer = await api.POST('/api/v1/me/password', { body: { current_password, new_password } });
		if (answer.data) this.#accept(answer.data);
		return answer.response.ok ? undefined : refusalOf(answer);
	}

	async signOut(): Promise<void> {
		await api.POST('/api/v1/auth/logout').catch(() => undefined);
		this.#leave();
	}

	/**
	 * Ends every session of this person, this one too.
	 *
	 * # Errors
	 * The refusal of the server: the other sessions live on, and so does this one.
	 */
	async signOutEverywhere(): Promise<void> {
		const answer = await api.POST('/api/v1/auth/logout-all');
		if (!answer.response.ok) throw refusalOf(answer);
		this.#leave();
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
			this.#isRefused = response.status === 401;
			if (this.#isRefused) {
				this.hasEnded = this.user !== null;
				this.#end();
			}
		} catch {
			// No network: the session may well be good still, so it is kept.
		}
		return false;
	}

	#accept(answer: TokenResponse): void {
		this.challenge = null;
		this.hasEnded = false;
		this.#token = answer.access_token;
		this.mustSetUpFactor = demandsFactor(answer.access_token);
		this.user = answer.user;
		noteHere(true);
		clearTimeout(this.#timer);
		this.#timer = setTimeout(
			() => void this.renew(),
			Math.max(answer.expires_in_seconds * 1000 - RENEW_BEFORE_MS, 5_000)
		);
	}

	/** Ends here because the person wants to. */
	#leave(): void {
		noteHere(false);
		this.#end();
	}

	#end(): void {
		clearTimeout(this.#timer);
		this.#token = null;
		this.user = null;
	}
}

const HERE = 'traitortrack-was-here';

/** Somebody is, or was until the session ended, signed in on this device. */
function wasHere(): boolean {
	return localStorage.getItem(HERE) !== null;
}

function noteHere(isHere: boolean): void {
	if (isHere) localStorage.setItem(HERE, '1');
	else localStorage.removeItem(HERE);
}

/** Reads from the access token whether its role has to set a second factor up; only the server's word counts for more. */
function demandsFactor(token: string): boolean {
	try {
		const payload = token.split('.')[1] ?? '';
		const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
		return typeof claims === 'object' && claims !== null && 'tfs' in claims && claims.tfs === true;
	} catch {
		return false;
	}
}

export const session = new Session();
