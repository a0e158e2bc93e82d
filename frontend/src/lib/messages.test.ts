import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Catalogue = Record<string, unknown>;

const ROOT = new URL('../../messages/', import.meta.url);
const areas = readdirSync(ROOT);
const settings = JSON.parse(
	readFileSync(new URL('../../project.inlang/settings.json', import.meta.url), 'utf8')
) as Record<string, { pathPattern: string[] }>;

function read(area: string, locale: string): Catalogue {
	return JSON.parse(readFileSync(new URL(`${area}/${locale}.json`, ROOT), 'utf8')) as Catalogue;
}

/** Names in braces, in any of a message's forms. */
function placeholders(message: unknown): string[] {
	return [...new Set([...JSON.stringify(message).matchAll(/\{([a-z_]+)\}/gi)].map(([, name]) => name ?? ''))].sort();
}

/** Every text of a message: one, or one for each plural. */
function texts(message: unknown): string[] {
	if (typeof message === 'string') return [message];
	return (message as { match: Record<string, string> }[]).flatMap((variant) => Object.values(variant.match));
}

describe('message catalogues', () => {
	it('are all read by the translator', () => {
		const read = settings['plugin.inlang.messageFormat']?.pathPattern;
		expect(read?.toSorted()).toEqual(areas.map((area) => `./messages/${area}/{locale}.json`).toSorted());
	});

	it('say each thing once: a key stands in one catalogue', () => {
		const keys = areas.flatMap((area) => Object.keys(read(area, 'en')));
		expect(keys.filter((key, n) => keys.indexOf(key) !== n)).toEqual([]);
	});

	it.each(areas)('%s says the same in both languages', (area) => {
		const [en, hi] = [read(area, 'en'), read(area, 'hi')];
		expect(Object.keys(hi).toSorted()).toEqual(Object.keys(en).toSorted());
		for (const [key, message] of Object.entries(en)) {
			expect(placeholders(hi[key]), key).toEqual(placeholders(message));
			expect(
				texts(hi[key]).every((text) => text.trim() !== ''),
				key
			).toBe(true);
		}
	});

	it('uses each message', () => {
		const sources = sourceFiles(new URL('../', import.meta.url))
			.map((file) => readFileSync(file, 'utf8'))
			.join('\n');
		const unused = areas
			.flatMap((area) => Object.keys(read(area, 'en')))
			.filter((key) => !new RegExp(`\\bm\\.${key}\\b`).test(sources));
		expect(unused).toEqual([]);
	});
});

function sourceFiles(folder: URL): URL[] {
	return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
		if (entry.isDirectory()) return entry.name === 'paraglide' ? [] : sourceFiles(new URL(`${entry.name}/`, folder));
		return /\.(ts|svelte)$/.test(entry.name) && !entry.name.endsWith('.gen.ts') ? [new URL(entry.name, folder)] : [];
	});
}
