import { ESLint, Linter } from 'eslint';
import ts from 'typescript-eslint';
import { describe, expect, it } from 'vitest';
import { ALLOWED, importZones, zoneOf } from '../import-zones.js';

/** Ends a test that hangs; reading the configuration takes seconds on a busy machine. */
const HANG_MS = 600_000;

/** What the rule says of code in a file below `src/`. */
function messagesFor(path: string, code: string): string[] {
	const config: Linter.Config[] = [
		{
			files: ['**/*.ts'],
			languageOptions: { parser: ts.parser },
			plugins: { 'import-zones': importZones },
			rules: { 'import-zones/zones': 'error' }
		}
	];
	return new Linter().verify(code, config, { filename: `src/${path}` }).map(({ message }) => message);
}

describe('the rule of import zones', () => {
	it.each([
		['lib/components/Any.ts', "import { act } from '$lib/features/outbox/actions';"],
		['lib/components/Any.ts', "import { act } from '../features/outbox/actions';"],
		['lib/components/Any.ts', "import Shell from '$lib/shell/Shell.svelte';"],
		['lib/session.svelte.ts', "import { act } from './features/outbox/actions';"],
		['lib/session.svelte.ts', "import type { Action } from './features/outbox/actions';"],
		['lib/session.svelte.ts', "export * from './features/outbox/actions';"],
		['lib/session.svelte.ts', "export { act } from './features/outbox/actions';"],
		['lib/session.svelte.ts', "void import('./features/outbox/actions');"],
		['lib/session.svelte.ts', "type Actions = typeof import('./features/outbox/actions');"],
		['lib/session.svelte.ts', "import Badge from './components/Badge.svelte';"],
		['lib/shell/Any.ts', "import Bell from '$lib/features/notifications/NotificationBell.svelte';"],
		['lib/features/outbox/any.ts', "import { feed } from '$lib/features/station/feed.svelte';"],
		['lib/features/outbox/any.ts', "import { feed } from '../station/feed.svelte';"],
		['lib/features/station/camera/any.ts', "import { add } from '../../bills/adder';"],
		['lib/features/reports/any.ts', "import Page from '../../../routes/+layout.svelte';"]
	])('%s: %s is refused', (path, code) => {
		expect(messagesFor(path, code)).toHaveLength(1);
		expect(messagesFor(path, code)[0]).toContain('see import-zones.js');
	});

	it.each([
		['routes/(app)/+page.svelte.ts', "import { act } from '$lib/features/outbox/actions';"],
		['lib/features/station/any.ts', "import { act } from '$lib/features/outbox/actions';"],
		['lib/features/station/camera/any.ts', "import { feed } from '../feed.svelte';"],
		['lib/features/outbox/any.ts', "import { session } from '$lib/session.svelte';"],
		['lib/components/Any.ts', "import { m } from '$lib/paraglide/messages.js';"],
		['lib/components/Any.ts', "import { page } from '$app/state';"],
		['service-worker.ts', "import { SYNC_TAG } from '$lib/features/outbox/locks';"]
	])('%s: %s is allowed', (path, code) => {
		expect(messagesFor(path, code)).toEqual([]);
	});

	it.each(['src/lib/session.svelte.ts', 'src/lib/components/Badge.svelte', 'src/lib/features/outbox/store.ts'])(
		'is an error in `npm run lint` for %s',
		async (path) => {
			const config = (await new ESLint().calculateConfigForFile(path)) as { rules: Record<string, unknown> };
			expect(config.rules['import-zones/zones']).toEqual([2]);
		},
		HANG_MS
	);
});

describe('the allow-list of features', () => {
	it('has no cycle', () => {
		const visit = (feature: string, path: string[]): void => {
			expect(path, 'a cycle of features').not.toContain(feature);
			for (const next of Object.keys(ALLOWED[feature] ?? {})) visit(next, [...path, feature]);
		};
		for (const feature of Object.keys(ALLOWED)) visit(feature, []);
	});

	it('gives a reason for each entry', () => {
		for (const reasons of Object.values(ALLOWED))
			for (const reason of Object.values(reasons)) expect(reason.split(' ').length).toBeGreaterThan(3);
	});
});

it('a file of a feature belongs to that feature, in subfolders too', () => {
	expect(zoneOf('lib/features/station/camera/reader.ts')).toEqual({ name: 'feature', feature: 'station' });
	expect(zoneOf('service-worker.ts')).toBeNull();
});
