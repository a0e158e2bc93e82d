import type { Tone } from './outcome';

/** Frequency in hertz, start and length in seconds. */
type Note = [hertz: number, start: number, length: number];

const MELODIES: Record<Exclude<Tone, 'pending'>, { wave: OscillatorType; notes: Note[] }> = {
	ok: { wave: 'sine', notes: [[1046, 0, 0.09]] },
	again: {
		wave: 'sine',
		notes: [
			[784, 0, 0.08],
			[784, 0.13, 0.08]
		]
	},
	warn: { wave: 'triangle', notes: [[233, 0, 0.32]] },
	bad: {
		wave: 'sawtooth',
		notes: [
			[130, 0, 0.14],
			[130, 0.2, 0.28]
		]
	},
	done: {
		wave: 'triangle',
		notes: [
			[523, 0, 0.11],
			[659, 0.12, 0.11],
			[784, 0.24, 0.11],
			[1046, 0.36, 0.3]
		]
	}
};

/** Milliseconds on, off, on, … */
const VIBRATIONS: Record<Exclude<Tone, 'pending'>, number[]> = {
	ok: [40],
	again: [30, 60, 30],
	warn: [200],
	bad: [120, 80, 250],
	done: [60, 50, 60, 50, 200]
};

let audio: AudioContext | undefined;

/** Plays and shakes an outcome. Browsers allow sound only after a first key or touch, which a scan is. */
export function give(tone: Tone, withSound: boolean): void {
	if (tone === 'pending') return;
	navigator.vibrate?.(VIBRATIONS[tone]);
	if (!withSound || typeof AudioContext === 'undefined') return;
	audio ??= new AudioContext();
	void audio.resume();
	const { wave, notes } = MELODIES[tone];
	for (const [hertz, start, length] of notes) {
		const oscillator = new OscillatorNode(audio, { type: wave, frequency: hertz });
		const gain = new GainNode(audio, { gain: 0 });
		const from = audio.currentTime + start;
		gain.gain.setValueAtTime(0, from);
		gain.gain.linearRampToValueAtTime(0.35, from + 0.01);
		gain.gain.exponentialRampToValueAtTime(0.001, from + length);
		oscillator.connect(gain).connect(audio.destination);
		oscillator.start(from);
		oscillator.stop(from + length);
	}
}
