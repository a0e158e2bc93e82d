import { describe, expect, it } from 'vitest';
import { versionIn } from './version';

describe('versionIn', () => {
	it('finds the version of the document', async () => {
		const document = 'openapi: 3.1.0\ninfo:\n  title: TraitorTrack\n  version: 1.2.3\nservers:\n- url: /\n';
		expect(await versionIn(new Response(document))).toBe('1.2.3');
	});

	it('knows nothing from what is no such document', async () => {
		expect(await versionIn(new Response('x'.repeat(10_000)))).toBeNull();
		expect(await versionIn(new Response('  version: 1\n', { status: 503 }))).toBeNull();
	});
});
