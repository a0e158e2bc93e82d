import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import adapter from '@sveltejs/adapter-static';
import { fixedIcons } from './icons.js';
import { outputFolder } from './scripts/output-folder.js';

/** Hashes of the scripts that stand in the page itself; SvelteKit only counts its own. */
function ownScripts() {
	const page = readFileSync(new URL('src/app.html', import.meta.url), 'utf8');
	return [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(
		([, script = '']) =>
			/** @type {`sha256-${string}`} */ (`sha256-${createHash('sha256').update(script).digest('base64')}`)
	);
}

/** The policy that a page for a host of its own brings with it; the API server sends one as a header. */
function policyFor(/** @type {string} */ apiUrl) {
	/** @type {NonNullable<NonNullable<import('@sveltejs/kit').KitConfig['csp']>['directives']>} */
	const directives = {
		'default-src': ['self'],
		// The camera's reader of codes is WebAssembly.
		'script-src': ['self', 'wasm-unsafe-eval', ...ownScripts()],
		// SvelteKit hides the live region that announces navigations with this one style attribute.
		'style-src': ['self', 'unsafe-hashes', 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='],
		'img-src': ['self', 'data:', 'blob:'],
		'media-src': ['self', 'blob:'],
		'connect-src': ['self', /** @type {`https://${string}`} */ (new URL(apiUrl).origin)],
		'object-src': ['none'],
		'base-uri': ['none'],
		'form-action': ['self']
	};
	return { mode: /** @type {const} */ ('hash'), directives };
}

const apiUrl = process.env.VITE_API_URL;

/** @type {import('@sveltejs/kit').Config} */
export default {
	compilerOptions: { runes: true },
	preprocess: [fixedIcons],
	kit: {
		// Everything is one page: the API server answers deep links with it.
		adapter: adapter({ pages: outputFolder, fallback: 'index.html', precompress: true }),
		// For a static host that has the app under a path. The API server needs none: it writes its own into the page.
		paths: { base: process.env.BASE_PATH ?? '' },
		csp: apiUrl ? policyFor(apiUrl) : undefined,
		// The app registers it itself, so that a new version waits for a good moment.
		serviceWorker: { register: false }
	}
};
