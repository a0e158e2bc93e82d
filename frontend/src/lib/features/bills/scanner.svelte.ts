import { playTone } from '$lib/features/station/feedback';
import type { Tone } from '$lib/outcomes/outcome';

export { listenForScans } from '$lib/features/station/listen';

const KEY = 'traitortrack-bill-sound';
/** Tones of results that came together follow each other this closely. */
const STEP_MS = 220;
/** More than this many tones at once are noise. */
const MOST_TONES = 6;

/** Whether results are heard at this desk. */
class Sound {
	isOn = $state(localStorage.getItem(KEY) !== 'off');

	toggle(): void {
		this.isOn = !this.isOn;
		localStorage.setItem(KEY, this.isOn ? 'on' : 'off');
	}

	/** A tone for each result; of many, one for each kind. */
	play(tones: Tone[]): void {
		if (!this.isOn) return;
		const heard = tones.length > MOST_TONES ? [...new Set(tones)] : tones;
		heard.forEach((tone, index) => setTimeout(() => playTone(tone), index * STEP_MS));
	}
}

export const sound = new Sound();
