import { getLocale } from '$lib/paraglide/runtime.js';
import { settings } from './settings.svelte';
import { LOWER, SIGNALS, type Signal, type Tone } from '$lib/outcomes/signals';

/** Part of the full scale that volume 1 gives. */
const LOUDEST = 0.6;

let audio: AudioContext | undefined;

/** Plays and shakes an outcome, as set. Browsers allow sound only after a first key or touch, which a scan is. */
export function playTone(tone: Tone): void {
	const { melody, vibration } = SIGNALS[tone];
	if (!melody) return;
	// Before the first touch or key browsers refuse, and say so in their log.
	if (settings.vibration && navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.(vibration);
	if (settings.sound) play(melody);
}

function play({ wave, notes }: NonNullable<Signal['melody']>): void {
	if (typeof AudioContext === 'undefined') return;
	audio ??= new AudioContext();
	void audio.resume();
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
export function speak(words: string): void {
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
