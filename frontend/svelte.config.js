import adapter from '@sveltejs/adapter-static';

/** @type {import('@sveltejs/kit').Config} */
export default {
	compilerOptions: { runes: true },
	kit: {
		// Everything is one page: the API server answers deep links with it.
		adapter: adapter({ fallback: 'index.html', precompress: true }),
		// The app registers it itself, so that a new version waits for a good moment.
		serviceWorker: { register: false }
	}
};
