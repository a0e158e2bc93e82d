/** How a result looks, sounds and feels. Colour is never the only sign: each tone has its own shape. */
export type Tone = 'pending' | 'kept' | 'ok' | 'again' | 'warn' | 'bad' | 'done';

/** Frequency in hertz, start and length in seconds. */
export type Note = [hertz: number, start: number, length: number];

export interface Signal {
	icon: 'turning' | 'tray' | 'circle' | 'squares' | 'triangle' | 'octagon' | 'fireworks';
	/** Null where nothing is heard. */
	melody: { wave: OscillatorType; notes: Note[] } | null;
	/** Milliseconds on, off, on, … */
	vibration: number[];
	/** It tells that something was not done. */
	isRefusal: boolean;
}

/**
 * One signal for each tone. No refusal shares its icon, its melody, its vibration or its colour (`tones.css`) with
 * anything else; a test compares them all.
 */
export const SIGNALS: Record<Tone, Signal> = {
	pending: { icon: 'turning', melody: null, vibration: [], isRefusal: false },
	kept: { icon: 'tray', melody: { wave: 'sine', notes: [[660, 0, 0.05]] }, vibration: [20], isRefusal: false },
	ok: { icon: 'circle', melody: { wave: 'sine', notes: [[1046, 0, 0.09]] }, vibration: [40], isRefusal: false },
	again: {
		icon: 'squares',
		melody: {
			wave: 'sine',
			notes: [
				[784, 0, 0.08],
				[784, 0.13, 0.08]
			]
		},
		vibration: [30, 60, 30],
		isRefusal: false
	},
	warn: {
		icon: 'triangle',
		melody: { wave: 'triangle', notes: [[233, 0, 0.32]] },
		vibration: [200],
		isRefusal: true
	},
	bad: {
		icon: 'octagon',
		melody: {
			wave: 'sawtooth',
			notes: [
				[130, 0, 0.14],
				[130, 0.2, 0.28]
			]
		},
		vibration: [120, 80, 250],
		isRefusal: true
	},
	done: {
		icon: 'fireworks',
		melody: {
			wave: 'triangle',
			notes: [
				[523, 0, 0.11],
				[659, 0.12, 0.11],
				[784, 0.24, 0.11],
				[1046, 0.36, 0.3]
			]
		},
		vibration: [60, 50, 60, 50, 200],
		isRefusal: false
	}
};

/** Part of the frequency that is left when lower tones are set. */
export const LOWER = 0.66;
