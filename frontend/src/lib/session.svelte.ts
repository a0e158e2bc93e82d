import { exclusive } from './exclusive';
import { api, setTokenSource, type Schemas } from './api/client';
import { refusalOf, type ApiError } from './api/errors';
import { unsentScans } from './unsent-scans.svelte';
import { m } from './paraglide/messages.js';
import { REFRESH_LOCK } from './refresh-lock';
import { forget, isLeaving, recall, remember } from './remembered-person';

type User = Schemas['User'];
type TokenResponse = Schemas['TokenResponse'];

/** The token is renewed this long before it expires. */
const RENEW_BEFORE_MS = 60_000;
/** A renewal that got no answer is repeated after this time: the server answers it again for half a minute. */
const REPEAT_MS = 5_000;
/** A start waits no longer for a network that may not be there when it knows who works here. */
const START_MS = 4_000;

/**
 * Nobody is here (`out`); the server vouches for the person (`in`); the app was started without a network, by the
 * person who was signed in last (`offline`); or the session has ended under a person at work (`expired`).
 */
type SessionStatus = 'out' | 'in' | 'offline' | 'expired';

/** Who is signed in. The access token lives in memory alone; the refresh token in a cookie that scripts can't read. */
class Session {
	/** Who works here. Only remembered, not vouched for, while `status` is `offline` or `expired`. */
	user = $state<User | null>(null);
	status = $state<SessionStatus>('out');
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
	/** The last renewal got no answer. */
	#isUnanswered = false;
	#renewal: Promise<boolean> | null = null;
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor() {
		setTokenSource({
			token: () => this.#token,
			isDue: () => this.status === 'offline' && !this.#token,
			renew: () => this.renew()
		});
	}

	get isAdmin(): boolean {
		return this.user?.role === 'admin';
	}

	get mayMove(): boolean {
		return this.user?.role === 'biller' || this.user?.role === 'admin';
	}

	/** Takes up the session of the cookie, if there is one; without a network, the person who was here last goes on. */
	async resume(): Promise<void> {
		if (isLeaving()) {
			await this.#leave();
		} else {
			const person = recall();
			// Nobody who comes for the first time waits for an answer that can only be "no".
			if (person) await this.#takeUp(person);
		}
		this.ready = true;
		window.addEventListener('online', () => {
			if (this.status === 'offline' || this.#isUnanswered) void this.renew();
		});
	}

	/** The access token, if it is this person's. */
	tokenOf(userId: number): string | null {
		return this.user?.id === userId ? this.#token : null;
	}

	/** After this, either somebody is signed in or a second factor is asked for; otherwise the problem comes back. */
	async signIn(username: string, password: string): Promise<ApiError | undefined> {
		const answer = await api.POST('/api/v1/auth/login', { body: { username, password } });
		if (answer.data && 'challenge' in answer.data) this.challenge = answer.data.challenge;
		else if (answer.data) this.#accept(answer.data);
		return answer.response.ok ? undefined : refusalOf(answer);
	}

	/** Answers the challenge with a code of the app, or one of the recovery codes. */
	async verify(code: string): Promise<ApiError | undefined> {
		const challenge = this.challenge ?? '';
		const answer = await api.POST('/api/v1/auth/2fa/verify', { body: { challenge, code } });
		if (answer.data) this.#accept(answer.data);
		return answer.response.ok ? undefined : refusalOf(answer);
	}

	/** Back to name and password. */
	forgetChallenge(): void {
		this.challenge = null;
	}

	async changePassword(current_password: string, new_password: string): Promise<ApiError | undefined> {
		const answer = await api.POST('/api/v1/me/password', { body: { current_password, new_password } });
		if (answer.data) this.#accept(answer.data);
		return answer.response.ok ? undefined : refusalOf(answer);
	}

	/** Ends the session here and on the server. Scans that wait are asked about first; they stay on the device. */
	async signOut(): Promise<void> {
		if (unsentScans.mine > 0 && !confirm(m.sign_out_with_waiting({ count: unsentScans.mine }))) return;
		await this.#leave();
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
		forget(true);
		this.#end('out');
	}

	async #takeUp(person: User): Promise<void> {
		await Promise.race([this.renew(), new Promise((wait) => setTimeout(wait, START_MS))]);
		if (this.status !== 'out') return;
		this.hasEnded = this.#isRefused;
		if (this.#isRefused) return;
		this.user = person;
		this.status = 'offline';
	}

	async #leave(): Promise<void> {
		const isHeard = await api.POST('/api/v1/auth/logout').then(
			({ response }) => response.ok,
			() => false
		);
		forget(isHeard);
		this.#end('out');
	}

	/**
	 * Exchanges the cookie for a new token; false when the session has ended, or has become another person's. Tabs take
	 * turns where the browser can, so that each exchanges the newest cookie. Where two send the same one, or an answer is
	 * lost, the server gives the same successor again for half a minute.
	 */
	renew(): Promise<boolean> {
		this.#renewal ??= exclusive(REFRESH_LOCK, () => this.#exchange()).finally(() => (this.#renewal = null));
		return this.#renewal;
	}

	async #exchange(): Promise<boolean> {
		const before = this.user?.id;
		try {
			const { data, response } = await api.POST('/api/v1/auth/refresh');
			if (data) {
				this.#accept(data);
				return before === undefined || before === data.user.id;
			}
			this.#isRefused = response.status === 401;
			if (this.#isRefused) {
				this.hasEnded = this.user !== null;
				// Somebody at work is not thrown out: the screen they are at decides what to do.
				this.#end(this.user ? 'expired' : 'out');
			} else {
				this.#repeat();
			}
		} catch {
			// No network, or the answer was lost: the session may well be valid, so it stays.
			this.#repeat();
		}
		return false;
	}

	/** Renews again soon: a lost answer is repeated for a short time only. Without a network, once it is back. */
	#repeat(): void {
		if (this.status !== 'in') return;
		this.#isUnanswered = true;
		if (navigator.onLine) this.#renewIn(REPEAT_MS);
	}

	#renewIn(milliseconds: number): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => void this.renew(), milliseconds);
	}

	#accept(answer: TokenResponse): void {
		this.challenge = null;
		this.#isRefused = false;
		this.#isUnanswered = false;
		this.hasEnded = false;
		this.#token = answer.access_token;
		this.mustSetUpFactor = demandsFactor(answer.access_token);
		this.user = answer.user;
		this.status = 'in';
		remember(answer.user);
		this.#renewIn(Math.max(answer.expires_in_seconds * 1000 - RENEW_BEFORE_MS, 5_000));
	}

	#end(status: 'out' | 'expired'): void {
		clearTimeout(this.#timer);
		this.#isUnanswered = false;
		this.#token = null;
		this.status = status;
		if (status === 'out') this.user = null;
	}
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
