import type { Schemas } from './api/client';

type User = Schemas['User'];

const PERSON = 'traitortrack-person';
const LEAVING = 'traitortrack-leaving';

/** What the device keeps of who was signed in last: enough to go on scanning without a network, and no secret. */
type Remembered = Pick<User, 'id' | 'username' | 'role' | 'dispatch_area'>;

export function remember({ id, username, role, dispatch_area }: User): void {
	const person: Remembered = { id, username, role, dispatch_area };
	localStorage.setItem(PERSON, JSON.stringify(person));
	localStorage.removeItem(LEAVING);
}

/** Who was signed in last on this device, as far as it is known; null after an explicit sign-out. */
export function recall(): User | null {
	const stored = localStorage.getItem(PERSON);
	if (!stored) return null;
	try {
		const { id, username, role, dispatch_area } = JSON.parse(stored) as Remembered;
		return { ...NOBODY, id, username, role, dispatch_area };
	} catch {
		return null;
	}
}

/** After an explicit sign-out. Not heard by the server, it is said again at the next start. */
export function forget(isHeard: boolean): void {
	localStorage.removeItem(PERSON);
	if (isHeard) localStorage.removeItem(LEAVING);
	else localStorage.setItem(LEAVING, 'yes');
}

/** A sign-out that the server has not heard of yet. */
export function isLeaving(): boolean {
	return localStorage.getItem(LEAVING) !== null;
}

/** The rest of a person, unknown without the server. */
const NOBODY: Omit<User, keyof Remembered> = {
	email: null,
	is_active: true,
	two_factor_enabled: false,
	password_change_required: false,
	locked_until: null,
	last_login_at: null,
	created_at: '1970-01-01T00:00:00Z',
	language: 'en',
	version: 0
};
