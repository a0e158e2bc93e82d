import { defineConfig } from '@playwright/test';

/** Browser tests run Debian's Chromium against the real binary with its own PostgreSQL; see e2e/support. */
export default defineConfig({
	testDir: 'e2e',
	outputDir: 'test-results/output',
	// Each worker has a server and a database of its own.
	workers: 2,
	// On a busy machine a browser may stall; what fails twice is a fault.
	retries: process.env.CI ? 1 : 0,
	// These bounds end a test that hangs. No test is meant to come near them, also on a machine ten times slower.
	timeout: 900_000,
	expect: { timeout: 120_000 },
	forbidOnly: Boolean(process.env.CI),
	reporter: [['list']],
	use: {
		browserName: 'chromium',
		locale: 'en-IN',
		// Recording makes everything slower: TRACE=1 for a failure that needs looking into.
		trace: process.env.TRACE ? 'retain-on-failure' : 'off',
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
