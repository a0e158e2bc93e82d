export type Theme = 'system' | 'light' | 'dark';

const KEY = 'traitortrack-theme';

/** Light or dark: as the device has it, or as the person set it. */
class ThemeSetting {
	chosen = $state<Theme>('system');

	start(): void {
		const stored = localStorage.getItem(KEY);
		if (stored === 'light' || stored === 'dark') this.chosen = stored;
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#apply());
		this.#apply();
	}

	choose(theme: Theme): void {
		this.chosen = theme;
		localStorage.setItem(KEY, theme);
		this.#apply();
	}

	#apply(): void {
		const dark =
			this.chosen === 'dark' || (this.chosen === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
		document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
	}
}

export const theme = new ThemeSetting();
