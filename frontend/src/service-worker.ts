/// <reference types="@sveltejs/kit" />
/// <reference no-default-lib="true"/>
/// <reference lib="esnext" />
/// <reference lib="webworker" />
import { base, build, files, version } from '$service-worker';
import { SYNC_TAG } from '$lib/features/outbox/locks';
import { sendWhileClosed } from '$lib/features/outbox/send-while-closed';

const worker = self as unknown as ServiceWorkerGlobalScope;

/** What this version of the app is made of; the one before stays for pages that still run it. */
const PREFIX = 'traitortrack-app-';
const CACHE = PREFIX + version;
/** The page itself: every address of the app is answered with it. */
const PAGE = `${base}/`;
/** Large, and needed by few: kept when it is first used. */
const isOnDemand = (path: string) => path.endsWith('.wasm');
/** Answered by the server alone, always. */
const SERVER_ONLY = /^\/(api|docs|health|metrics|problems|openapi)(\/|\.|$)/;
/** A network that takes longer than this to bring the page is treated as none. */
const PAGE_TIMEOUT_MS = 4_000;

worker.addEventListener('install', (event) => {
	event.waitUntil(keepApp());
});

worker.addEventListener('activate', (event) => {
	event.waitUntil(Promise.all([dropOldVersions(), worker.clients.claim()]));
});

// A new version waits until a page says that it is a good moment: no packer is interrupted.
worker.addEventListener('message', (event) => {
	if (event.data === 'take-over') void worker.skipWaiting();
});

worker.addEventListener('fetch', (event) => {
	const { request } = event;
	const url = new URL(request.url);
	const path = url.pathname.slice(base.length);
	if (request.method !== 'GET' || url.origin !== worker.location.origin || SERVER_ONLY.test(path)) return;
	if (request.mode === 'navigate') event.respondWith(page(request));
	else event.respondWith(asset(request, url));
});

worker.addEventListener('sync', ((event: ExtendableEvent & { tag: string }) => {
	if (event.tag === SYNC_TAG) event.waitUntil(sendUnlessOpen());
}) as EventListener);

async function keepApp(): Promise<void> {
	const cache = await caches.open(CACHE);
	const paths = [...build, ...files].filter((path) => !isOnDemand(path));
	await cache.addAll([...paths, PAGE].map((path) => new Request(path, { cache: 'no-cache' })));
}

/** Keeps this version and the newest before it, whose pages may still be open. */
async function dropOldVersions(): Promise<void> {
	const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
	await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)));
}

/** The newest page the server has; without it, the one that was kept. */
async function page(request: Request): Promise<Response> {
	const kept = await caches.match(PAGE, { cacheName: CACHE });
	if (!kept) return fetch(request);
	const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PAGE_TIMEOUT_MS));
	const fresh = await Promise.race([fetch(request).catch(() => null), late]);
	return fresh && fresh.status < 500 ? fresh : kept;
}

/** Files of the app never change under their name. */
async function asset(request: Request, url: URL): Promise<Response> {
	const kept = await caches.match(url.pathname);
	if (kept) return kept;
	const response = await fetch(request);
	if (response.ok && (build.includes(url.pathname) || files.includes(url.pathname))) {
		const cache = await caches.open(CACHE);
		await cache.put(url.pathname, response.clone());
	}
	return response;
}

/** An open page sends by itself, and knows the session better. */
async function sendUnlessOpen(): Promise<void> {
	const pages = await worker.clients.matchAll({ type: 'window' });
	if (pages.length === 0) await sendWhileClosed((import.meta.env.VITE_API_URL ?? '').replace(/\/+$/, '') || base);
}
