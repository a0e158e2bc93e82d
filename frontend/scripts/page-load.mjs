// How heavy and how fast the scan station is in Debian's Chromium: with an empty cache, and when it comes again.
// usage: node scripts/page-load.mjs ADDRESS USERNAME PASSWORD   (prints JSON; called by `make bench`)
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';

const [base, username, password] = process.argv.slice(2);
if (!base || !username || !password) throw new Error('usage: page-load.mjs ADDRESS USERNAME PASSWORD');
const VISITS = 5;
const SETTLE = 2000;
const options = {
	executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu']
};

/** @typedef {{ bytes: number, requests: number, interactive_ms: number }} Visit */

/** @type {Visit[]} */
const cold = [];
/** @type {Visit[]} */
const warm = [];
for (let n = 0; n < VISITS; n += 1) {
	const folder = await mkdtemp(join(tmpdir(), 'traitortrack-page-'));
	const browser = await chromium.launchPersistentContext(folder, options);
	try {
		await signIn(browser);
		cold.push(await visit(browser));
		warm.push(await visit(browser));
	} finally {
		await browser.close();
		await rm(folder, { recursive: true, force: true });
	}
}
process.stdout.write(JSON.stringify({ cold: medians(cold), warm: medians(warm) }) + '\n');

/**
 * Signed in, and everything that a visit leaves behind is gone, but for the session.
 *
 * @param {import('@playwright/test').BrowserContext} browser
 */
async function signIn(browser) {
	const page = await browser.newPage();
	await page.goto(`${base}/login`);
	await page.locator('#username').fill(username);
	await page.locator('#password').fill(password);
	await page.locator('form [type=submit]').click();
	await page.locator('#password').waitFor({ state: 'hidden' });
	const devtools = await browser.newCDPSession(page);
	await devtools.send('Storage.clearDataForOrigin', { origin: base, storageTypes: 'service_workers,cache_storage' });
	await devtools.send('Network.clearBrowserCache');
	await page.close();
}

/**
 * @param {import('@playwright/test').BrowserContext} browser
 * @returns {Promise<Visit>}
 */
async function visit(browser) {
	const page = await browser.newPage();
	const network = await browser.newCDPSession(page);
	await network.send('Network.enable');
	let [bytes, requests] = [0, 0];
	const fromCache = new Set();
	network.on('Network.requestServedFromCache', ({ requestId }) => fromCache.add(requestId));
	network.on('Network.responseReceived', ({ requestId, response }) => {
		if (response.fromDiskCache || response.fromServiceWorker || response.fromPrefetchCache) fromCache.add(requestId);
	});
	network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
		if (fromCache.has(requestId)) return;
		bytes += encodedDataLength;
		requests += 1;
	});
	const started = performance.now();
	await page.goto(`${base}/scan`, { waitUntil: 'commit' });
	// The panel stands when the app runs, is signed in, and listens to the scanner.
	await page.getByTestId('result').waitFor();
	const interactive_ms = performance.now() - started;
	// What comes after that counts too: the parts of other pages, what the service worker keeps for the next visit. A stream of
	// events never ends, so there is no moment when the network is idle.
	await page.waitForTimeout(SETTLE);
	await page.close();
	return { bytes, requests, interactive_ms };
}

/** @param {Visit[]} visits */
function medians(visits) {
	const middle = (/** @type {keyof Visit} */ name) =>
		visits.map((visit) => visit[name]).sort((a, b) => a - b)[Math.floor(visits.length / 2)] ?? 0;
	return { bytes: middle('bytes'), requests: middle('requests'), interactive_ms: Math.round(middle('interactive_ms')) };
}
