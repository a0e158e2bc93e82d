import type { Page } from '@playwright/test';

/** What a packer hears and feels: tones in hertz and vibrations in milliseconds, in the order they came. */
export interface Sensed {
	tones: number[];
	vibrations: number[][];
}

/** Records what the page plays and vibrates from now on. Call it before the first page is opened. */
export async function recordSenses(page: Page): Promise<void> {
	await page.addInitScript(() => {
		const sensed: Sensed = { tones: [], vibrations: [] };
		Object.assign(window, { sensed });
		const Original = window.OscillatorNode;
		window.OscillatorNode = class extends Original {
			constructor(context: BaseAudioContext, options?: OscillatorOptions) {
				super(context, options);
				sensed.tones.push(options?.frequency ?? 0);
			}
		};
		Object.defineProperty(navigator, 'vibrate', {
			value: (pattern: number[]) => {
				sensed.vibrations.push(pattern);
				return true;
			}
		});
	});
}

/** Everything since the last call, and begins again. */
export function sensedSince(page: Page): Promise<Sensed> {
	return page.evaluate(() => {
		const { sensed } = window as unknown as { sensed: Sensed };
		return { tones: sensed.tones.splice(0), vibrations: sensed.vibrations.splice(0) };
	});
}
