import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

/** Parts of the app that are loaded separately. Whatever the start needs, all of them have. */
const ZONES = [
	{ name: 'start', test: /generated\/client-optimized\/app\.js$|src\/routes\/\+layout\.(svelte|ts)$/ },
	{ name: 'station', test: /src\/routes\/\(station\)\/scan\/\+page\.svelte$/ },
	{ name: 'entrance', test: /src\/routes\/\(entrance\)\/.*\+(page|layout)\.svelte$/ },
	{ name: 'app', test: /src\/routes\/\(app\)\/.*\+(page|layout)\.svelte$/ }
];
/** A module that so many pages of the app share comes with the first of them. */
const PAGES_OF_COMMON = 3;

/** Of each module, the pages of each zone that import it, directly or not. */
const usersOf = new Map<string, { zone: string; page: string }[]>();

/** This module exports every message, and what a page does not use of it is left out of the page. */
const ALL_MESSAGES = '/paraglide/messages.js';

/** The messages that a module shows. */
function messagesIn(id: string): string[] {
	const source = readFileSync(id.replace(/\?.*$/, ''), 'utf8');
	return [...source.matchAll(/\bm\.(\w+)/g)].map(([, key]) => key ?? '');
}

/** Learns which pages use which modules, before the pieces are made. */
export const learnPages: Plugin = {
	name: 'learn-pages',
	apply: 'build',
	renderStart() {
		usersOf.clear();
		for (const page of this.getModuleIds()) {
			const zone = ZONES.find(({ test }) => test.test(page))?.name;
			if (!zone) continue;
			const seen = new Set([page]);
			for (const id of seen) {
				usersOf.set(id, [...(usersOf.get(id) ?? []), { zone, page }]);
				for (const imported of this.getModuleInfo(id)?.importedIds ?? []) {
					if (!imported.endsWith(ALL_MESSAGES)) seen.add(imported);
					else
						for (const key of messagesIn(id)) seen.add(imported.replace(ALL_MESSAGES, `/paraglide/messages/${key}.js`));
				}
			}
		}
	}
};

/** The piece a module is in: named after the zones that need it, so that none loads what it does not use. */
function pieceOf(id: string): string | null {
	// Put into modules when they are written, so nobody is seen to import it.
	if (id.includes('vite/preload-helper')) return 'start';
	const users = usersOf.get(id) ?? [];
	if (users.some(({ page }) => page === id)) return null;
	const zones = ZONES.map(({ name }) => name).filter((name) => users.some(({ zone }) => zone === name));
	if (zones[0] === 'start') return 'start';
	// The station is one page: in one piece it compresses best.
	const isRare =
		zones.length === 1 &&
		zones[0] !== 'station' &&
		users.length < PAGES_OF_COMMON &&
		!users.some(({ page }) => page.includes('+layout'));
	return zones.length === 0 || isRare ? null : zones.join('-');
}

const pieces = [
	'start',
	'station-entrance-app',
	'station-entrance',
	'station-app',
	'entrance-app',
	'station',
	'entrance',
	'app'
];

/**
 * What comes in one piece. Left alone, each set of modules that two pages share would be a file of its own: a hundred
 * small ones for a page, which compress worse and come later. What a module imports is needed wherever it is, so what
 * most zones need is taken first.
 */
export const groups = pieces.map((name, at) => ({
	name,
	priority: pieces.length - at,
	test: (id: string) => pieceOf(id) === name
}));
