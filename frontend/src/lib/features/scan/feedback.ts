import { getLocale } from '$lib/paraglide/runtime.js';
import type { Tone } from './outcome';
import { settings } from './settings.svelte';

/** Frequency in hertz, start and length in seconds. */
type Note = [hertz: number, start: number, length: number];
type Heard = Exclude<Tone, 'pending'>;

const MELODIES: Record<Heard, { wave: OscillatorType; notes: Note[] }> = {
	kept: { wave: 'sine', notes: [[660, 0, 0.05]] },
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
const VIBRATIONS: Record<Heard, number[]> = {
	kept: [20],
	ok: [40],
	again: [30, 60, 30],
	warn: [200],
	bad: [120, 80, 250],
	done: [60, 50, 60, 50, 200]
};

/** Part of the full scale that volume 1 gives. */
const LOUDEST = 0.6;
const LOWER = 0.66;

let audio: AudioContext | undefined;

/** Plays and shakes an outcome, as set. Browsers allow sound only after a first key or touch, which a scan is. */
export function give(tone: Tone): void {
	if (tone === 'pending') return;
	// Before the first touch or key browsers refuse, and say so in their log.
	if (settings.vibration && navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.(VIBRATIONS[tone]);
	if (settings.sound) play(tone);
}

function play(tone: Heard): void {
	if (typeof AudioContext === 'undefined') return;
	audio ??= new AudioContext();
	void audio.resume();
	const { wave, notes } = MELODIES[tone];
	for (const [hertz, start, length] of notes) {
		const frequency = settings.lowTones ? hertz * LOWER : hertz;
		const oscillator = new OscillatorNode(audio, { type: wave, frequency });
		const gain = new GainNode(audio, { gain: 0 });
		const from = audio.currentTime + start;
		gain.gain.setValueAtTime(0, from);
		gain.gain.linearRampToValueAtTime(Math.max(settings.volume * LOUDEST, 0.002), from + 0.01);
		gain.gain.exponentialRampToValueAtTime(0.001, from + length);
		oscillator.connect(gain).connect(audio.destination);
		oscillator.start(from);
		oscillator.stop(from + length);
	}
}

/** Speaks a few words in the person's language, if that is set. The newest words cut off the ones before. */
export function say(words: string): void {
	if (!settings.speech || !canSpeak()) return;
	const voice = localVoice();
	if (!voice) return;
	const utterance = new SpeechSynthesisUtterance(words);
	utterance.voice = voice;
	utterance.lang = voice.lang;
	utterance.rate = 1.15;
	utterance.volume = settings.volume;
	speechSynthesis.cancel();
	speechSynthesis.speak(utterance);
}

export function canSpeak(): boolean {
	return 'speechSynthesis' in window;
}

/** A voice on the device itself for this language: others would send what is said to somebody's server. */
export function localVoice(): SpeechSynthesisVoice | undefined {
	const language = getLocale();
	return speechSynthesis.getVoices().find((voice) => voice.localService && voice.lang.startsWith(language));
}
