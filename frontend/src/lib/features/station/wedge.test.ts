import { describe, expect, it } from 'vitest';
import { characterOf, WedgeDetector } from './wedge';

/** Types with the same pause after each character; returns when the next key would come. */
function type(detector: WedgeDetector, text: string, gapMs: number, inField: boolean, startMs = 1000): number {
	let at = startMs;
	for (const character of text) {
		detector.character(character, at, inField);
		at += gapMs;
	}
	return at;
}

describe.each([
	['in a field', true],
	['outside fields', false]
])('WedgeDetector %s', (_, inField) => {
	it('takes a fast burst that ends at once', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 8, inField), inField)).toBe('SB12345');
	});

	it('takes a burst that stutters', () => {
		const detector = new WedgeDetector();
		const at = type(detector, 'SB12', 8, inField);
		expect(detector.end(type(detector, '345', 8, inField, at + 85), inField)).toBe('SB12345');
	});

	it('takes two bursts one after the other', () => {
		const detector = new WedgeDetector();
		const at = type(detector, 'CB-1', 6, inField);
		expect(detector.end(at, inField)).toBe('CB-1');
		expect(detector.end(type(detector, 'CB-2', 6, inField, at + 2), inField)).toBe('CB-2');
	});

	it('forgets a half-read code', () => {
		const detector = new WedgeDetector();
		const at = type(detector, 'CB', 6, inField);
		expect(detector.end(type(detector, 'CB-1', 6, inField, at + 700), inField)).toBe('CB-1');
	});

	it('leaves one or two quick keys alone', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'ab', 5, inField), inField)).toBeNull();
		expect(detector.end(2000, inField)).toBeNull();
	});
});

describe('WedgeDetector', () => {
	it('leaves typing in a field alone', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 75, true), true)).toBeNull();
	});

	it('leaves a pause before Enter in a field alone', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 8, true) + 300, true)).toBeNull();
	});

	it('takes the burst only, not what was typed in the field before it', () => {
		const detector = new WedgeDetector();
		const at = type(detector, 'abc', 150, true);
		expect(detector.end(type(detector, 'CB-1', 6, true, at + 200), true)).toBe('CB-1');
	});

	it('loses nothing of the slowest scanner outside fields', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 200, false), false)).toBe('SB12345');
	});
});

describe('characterOf', () => {
	it('takes what the key says, capitals and number pad too', () => {
		expect(characterOf({ key: 'S', code: 'KeyS', shiftKey: true })).toBe('S');
		expect(characterOf({ key: '7', code: 'Numpad7', shiftKey: false })).toBe('7');
		expect(characterOf({ key: '-', code: 'Slash', shiftKey: false })).toBe('-');
	});

	it('knows the key by its place when a Hindi layout or an input method is in between', () => {
		expect(characterOf({ key: 'े', code: 'KeyS', shiftKey: false })).toBe('s');
		expect(characterOf({ key: 'Process', code: 'KeyB', shiftKey: true })).toBe('B');
		expect(characterOf({ key: '५', code: 'Digit5', shiftKey: false })).toBe('5');
		expect(characterOf({ key: 'Unidentified', code: 'Minus', shiftKey: false })).toBe('-');
	});

	it('leaves keys alone that are no character', () => {
		for (const key of ['Shift', 'CapsLock', 'F5', 'ArrowLeft', 'Backspace'])
			expect(characterOf({ key, code: key, shiftKey: false })).toBeNull();
		expect(characterOf({ key: 'Unidentified', code: '', shiftKey: false })).toBeNull();
	});
});
