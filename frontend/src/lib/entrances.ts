/** Routes that are about signing in: which they are, and where they lead. */
export const entrances = {
	signIn: '/(entrance)/login',
	firstPassword: '/(entrance)/password',
	/** Goes on without a session: what is scanned is kept and sent after signing in. */
	station: '/(station)/',
	/** Where a second factor is set up that the role demands. */
	secondFactor: '/(entrance)/second-factor',
	/** Open to people who are signed in and to those who are not. */
	anybody: new Set(['/(entrance)/forgot-password', '/(entrance)/reset-password'])
};

/** Where to go after signing in; only paths of this app, for a link must not send people elsewhere. */
export function nextPath(next: string | null): string | null {
	return next && /^\/[^/\\]/.test(next) ? next : null;
}
