import { describe, expect, it } from 'vitest';
import { WedgeDetector } from './wedge';

function type(detector: WedgeDetector, text: string, gapMs: number, startMs = 1000): number {
	let at = startMs;
	for (const character of text) {
		detector.character(character, at);
		at += gapMs;
	}
	return at;
}

describe('WedgeDetector', () => {
	it('takes a fast burst that ends at once', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 8))).toBe('SB12345');
	});

	it('leaves typing alone', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 120))).toBeNull();
	});

	it('leaves a pause before Enter alone', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'SB12345', 8) + 300)).toBeNull();
	});

	it('takes the burst only, not what was typed before it', () => {
		const detector = new WedgeDetector();
		const at = type(detector, 'abc', 150);
		expect(detector.end(type(detector, 'CB-1', 6, at + 200))).toBe('CB-1');
	});

	it('takes two bursts one after the other', () => {
		const detector = new WedgeDetector();
		const at = type(detector, 'CB-1', 6);
		expect(detector.end(at)).toBe('CB-1');
		expect(detector.end(type(detector, 'CB-2', 6, at + 2))).toBe('CB-2');
	});

	it('leaves one or two quick keys alone', () => {
		const detector = new WedgeDetector();
		expect(detector.end(type(detector, 'ab', 5))).toBeNull();
	});
});
