// How heavy and how fast the scan station is in Debian's Chromium: with an empty cache, and when it comes again.
// usage: node scripts/page-load.mjs ADDRESS USERNAME PASSWORD   (prints JSON; called by `make bench`)
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';

const [base, username, password] = process.argv.slice(2);
if (!password) throw new Error('usage: page-load.mjs ADDRESS USERNAME PASSWORD');
const VISITS = 5;
const options = { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] };

const [cold, warm] = [[], []];
for (let n = 0; n < VISITS; n += 1) {
	const folder = await mkdtemp(join(tmpdir(), 'traitortrack-page-'));
	const browser = await chromium.launchPersistentContext(folder, options);
	try {
		// The cookie of the session is all that is there before the cold visit.
		const answer = await browser.request.post(`${base}/api/v1/auth/login`, { data: { username, password } });
		if (!answer.ok()) throw new Error(`sign-in was answered ${answer.status()}`);
		cold.push(await visit(browser));
		warm.push(await visit(browser));
	} finally {
		await browser.close();
		await rm(folder, { recursive: true, force: true });
	}
}
process.stdout.write(JSON.stringify({ cold: medians(cold), warm: medians(warm) }) + '\n');

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
	await page.waitForLoadState('networkidle');
	// What the service worker fetches ahead is done before the next visit.
	await page.evaluate(() => navigator.serviceWorker?.ready.then(() => true));
	await page.waitForLoadState('networkidle');
	await page.close();
	return { bytes, requests, interactive_ms };
}

function medians(visits) {
	const middle = (name) => visits.map((visit) => visit[name]).sort((a, b) => a - b)[Math.floor(visits.length / 2)];
	return { bytes: middle('bytes'), requests: middle('requests'), interactive_ms: Math.round(middle('interactive_ms')) };
}
