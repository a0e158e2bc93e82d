export type Theme = 'system' | 'light' | 'dark';
export type Contrast = 'system' | 'normal' | 'high';
export type Density = 'comfortable' | 'compact';

/** What is kept on the device, and what is allowed there; the first is what a new device has. */
const CHOICES = {
	theme: ['system', 'light', 'dark'],
	contrast: ['system', 'normal', 'high'],
	density: ['comfortable', 'compact']
} as const;
type Choices = typeof CHOICES;
type Aspect = keyof Choices;

const keyOf = (aspect: Aspect) => `traitortrack-${aspect}`;

/** How everything looks: as the device has it, or as the person set it on this device. */
class Appearance {
	chosen = $state<Theme>('system');
	contrast = $state<Contrast>('system');
	density = $state<Density>('comfortable');

	start(): void {
		this.chosen = stored('theme');
		this.contrast = stored('contrast');
		this.density = stored('density');
		for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)'])
			matchMedia(query).addEventListener('change', () => this.#apply());
		this.#apply();
	}

	choose(theme: Theme): void {
		this.chosen = theme;
		this.#keep('theme', theme);
	}

	chooseContrast(contrast: Contrast): void {
		this.contrast = contrast;
		this.#keep('contrast', contrast);
	}

	chooseDensity(density: Density): void {
		this.density = density;
		this.#keep('density', density);
	}

	#keep(aspect: Aspect, value: string): void {
		localStorage.setItem(keyOf(aspect), value);
		this.#apply();
	}

	#apply(): void {
		const asDevice = (query: string, value: string, other: string) => (matchMedia(query).matches ? value : other);
		const { dataset } = document.documentElement;
		dataset['theme'] =
			this.chosen === 'system' ? asDevice('(prefers-color-scheme: dark)', 'dark', 'light') : this.chosen;
		dataset['contrast'] =
			this.contrast === 'system' ? asDevice('(prefers-contrast: more)', 'high', 'normal') : this.contrast;
		dataset['density'] = this.density;
	}
}

function stored<A extends Aspect>(aspect: A): Choices[A][number] {
	const value = localStorage.getItem(keyOf(aspect));
	const choices: readonly Choices[A][number][] = CHOICES[aspect];
	return choices.find((choice) => choice === value) ?? CHOICES[aspect][0];
}

export const theme = new Appearance();
