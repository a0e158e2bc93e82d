import { defineConfig } from '@playwright/test';

/** Browser tests run Debian's Chromium against the real binary with its own PostgreSQL; see e2e/support. */
export default defineConfig({
	testDir: 'e2e',
	outputDir: 'test-results/output',
	workers: 1,
	retries: 0,
	timeout: 60_000,
	expect: { timeout: 10_000 },
	forbidOnly: Boolean(process.env.CI),
	reporter: [['list']],
	use: {
		browserName: 'chromium',
		locale: 'en-IN',
		trace: 'retain-on-failure',
		launchOptions: {
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
			args: [
				'--no-sandbox',
				'--disable-gpu',
				'--disable-quic',
				'--no-first-run',
				'--disable-background-networking',
				'--disable-component-update',
				'--disable-sync'
			]
		}
	}
});
