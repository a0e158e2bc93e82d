// Lighthouse on the sign-in, scan and overview pages, as Debian's Chromium sees them on a throttled phone.
// usage: npm run lighthouse -- [BINARY]   (a release build, or its figures mean little)
// A single run says little on a machine that does other things too: each page's figure is the median of several.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from '@playwright/test';
import lighthouse, { generateReport } from 'lighthouse';

const binary = resolve(process.argv[2] ?? '../target/release/api');
const RUNS = 5;
const LEAST = 95;
const CATEGORIES = ['performance', 'accessibility', 'best-practices'];
const ADMIN = { username: 'admin', password: 'Rules-The-House-1' };
const REPORTS = 'test-results/lighthouse';

const folder = await mkdtemp(join(tmpdir(), 'traitortrack-lighthouse-'));
await chmod(folder, 0o711);
const env = {
	PATH: process.env.PATH,
	DATA_DIR: join(folder, 'var'),
	ADMIN_PASSWORD: ADMIN.password,
	SIGN_IN_LIMIT_PER_MINUTE: '1000',
	RUST_LOG: 'error'
};
const port = await freePort();
const base = `http://127.0.0.1:${port}`;
const profile = join(folder, 'profile');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
	'--no-sandbox',
	'--disable-gpu',
	'--disable-quic',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync'
];

await run(['seed-demo', '--bags', '6000'], env);
const server = spawn(binary, ['serve'], { env: { ...env, BIND: `127.0.0.1:${port}` }, stdio: 'ignore' });

let isLow = false;
try {
	await ready();
	await mkdir(REPORTS, { recursive: true });
	await measure('sign-in', '/login');
	await measure('scan', '/scan', signIn);
	await measure('overview', '/', signIn);
} finally {
	server.kill('SIGTERM');
	await once(server, 'exit');
	await rm(folder, { recursive: true, force: true });
}
process.exit(isLow ? 1 : 0);

/** The cookie of the session stays in the profile: the next page is seen signed in. */
async function signIn() {
	const browser = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
	await browser.clearCookies();
	const page = await browser.newPage();
	await page.goto(`${base}/login`);
	await page.locator('#username').fill(ADMIN.username);
	await page.locator('#password').fill(ADMIN.password);
	await page.locator('form button.primary').click();
	await page.waitForURL(`${base}/`);
	await page.locator('h1').first().waitFor();
	await browser.close();
}

/**
 * A browser that no other program looks into: what Playwright puts into pages would be measured too.
 *
 * @template T
 * @param {(port: number) => Promise<T>} use
 */
async function withBrowser(use) {
	const debugPort = await freePort();
	const browser = spawn(
		executablePath,
		['--headless=new', ...FLAGS, `--user-data-dir=${profile}`, `--remote-debugging-port=${debugPort}`, 'about:blank'],
		{ stdio: 'ignore' }
	);
	try {
		await answers(`http://127.0.0.1:${debugPort}/json/version`);
		return await use(debugPort);
	} finally {
		browser.kill('SIGTERM');
		await once(browser, 'exit');
	}
}

/**
 * @param {string} name
 * @param {string} path
 * @param {() => Promise<void>} before
 */
async function measure(name, path, before = () => Promise.resolve()) {
	/** @type {Report[]} */
	const runs = [];
	for (let n = 0; n < RUNS; n += 1) {
		// Each time: the browser that is measured renews the session, and ends before it has written down the new cookie.
		await before();
		const result = await withBrowser((port) =>
			lighthouse(base + path, { port, onlyCategories: CATEGORIES, logLevel: 'error' })
		);
		if (!result) throw new Error(`${name} was not measured`);
		const { runtimeError, runWarnings } = result.lhr;
		for (const warning of [runtimeError?.message, ...runWarnings]) if (warning) console.log(`${name}: ${warning}`);
		runs.push(result.lhr);
	}
	runs.sort((a, b) => scoreOf(a, 'performance') - scoreOf(b, 'performance'));
	const lhr = runs[Math.floor(RUNS / 2)];
	if (!lhr) throw new Error(`${name} was not measured`);
	await writeFile(join(REPORTS, `${name}.html`), generateReport(lhr, 'html'));
	const scores = CATEGORIES.map((id) => ({ id, score: median(runs.map((run) => scoreOf(run, id))) }));
	if (scores.some(({ score }) => score < LEAST)) isLow = true;
	const value = (/** @type {string} */ id) => lhr.audits[id]?.numericValue ?? 0;
	const seconds = (/** @type {string} */ id) => `${(value(id) / 1000).toFixed(1)} s`;
	console.log(`${name.padEnd(9)} ${scores.map(({ id, score }) => `${id} ${score}`).join('  ')}`);
	console.log(
		`          performance of ${RUNS} runs: ${runs.map((run) => scoreOf(run, 'performance')).join(' ')}; the middle one: ` +
			`first paint ${seconds('first-contentful-paint')}, largest ${seconds('largest-contentful-paint')}, ` +
			`blocked ${Math.round(value('total-blocking-time'))} ms, shift ${value('cumulative-layout-shift').toFixed(3)}`
	);
	for (const id of CATEGORIES) {
		for (const { id: audit, weight } of lhr.categories[id]?.auditRefs ?? []) {
			const { score, title } = lhr.audits[audit] ?? {};
			if (weight > 0 && typeof score === 'number' && score < 0.9) console.log(`          ${id}: ${title} (${score})`);
		}
	}
}

/** @typedef {import('lighthouse').Result} Report */

function scoreOf(/** @type {Report} */ lhr, /** @type {string} */ id) {
	return Math.round((lhr.categories[id]?.score ?? 0) * 100);
}

function median(/** @type {number[]} */ values) {
	return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
async function run(args, env) {
	const child = spawn(binary, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
	const [code] = /** @type {[number | null]} */ (await once(child, 'exit'));
	if (code !== 0) throw new Error(`${args[0]} failed with ${code}`);
}

function ready() {
	return answers(`${base}/health/ready`);
}

async function answers(/** @type {string} */ url) {
	for (let n = 0; n < 300; n += 1) {
		const isUp = await fetch(url).then(
			(answer) => answer.ok,
			() => false
		);
		if (isUp) return;
		await new Promise((wait) => setTimeout(wait, 100));
	}
	throw new Error(`${url} does not answer`);
}

/** @returns {Promise<number>} */
function freePort() {
	return new Promise((resolve) => {
		const probe = createServer();
		probe.listen(0, '127.0.0.1', () => {
			const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
			probe.close(() => resolve(port));
		});
	});
}
