/** Keeps the screen on while the station is open, if the browser can. Returns how to stop. */
export function keepAwake(): () => void {
	let lock: WakeLockSentinel | null = null;
	let isWanted = true;
	// The browser takes the lock away with the page out of sight; it is asked for again when the page is back.
	const ask = async () => {
		if (!isWanted || document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
		const granted = await navigator.wakeLock.request('screen').catch(() => null);
		if (isWanted) lock = granted;
		else void granted?.release();
	};
	const askAgain = () => void ask();
	document.addEventListener('visibilitychange', askAgain);
	void ask();
	return () => {
		isWanted = false;
		document.removeEventListener('visibilitychange', askAgain);
		void lock?.release();
	};
}

/** Whether the station fills the screen. */
class FullScreen {
	isOn = $state(false);
	readonly isPossible = typeof document !== 'undefined' && document.fullscreenEnabled;

	/** Follows the browser. Returns how to stop. */
	follow(): () => void {
		const note = () => (this.isOn = document.fullscreenElement !== null);
		note();
		document.addEventListener('fullscreenchange', note);
		return () => document.removeEventListener('fullscreenchange', note);
	}

	toggle(): void {
		const change = this.isOn ? document.exitFullscreen() : document.documentElement.requestFullscreen();
		void change.catch(() => undefined);
	}
}

export const fullScreen = new FullScreen();
