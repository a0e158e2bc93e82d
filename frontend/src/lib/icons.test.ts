import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from 'svelte/compiler';
import { expect, test } from 'vitest';
import { fixedIcons } from '../../icons.js';

const filename = fileURLToPath(new URL('../../node_modules/@lucide/svelte/dist/icons/house.svelte', import.meta.url));

async function fixed(content: string, name = filename): Promise<string | undefined> {
	return (await fixedIcons.markup?.({ content, filename: name }))?.code;
}

test("an icon of Lucide's becomes markup that needs none of its code", async () => {
	const code = (await fixed(readFileSync(filename, 'utf8'))) ?? '';
	expect(code).toContain('viewBox="0 0 24 24"');
	expect(code.match(/<path d="/g)).toHaveLength(2);
	expect(code).not.toContain('import');
	expect(() => compile(code, { runes: true })).not.toThrow();
});

test('other components stay as they are', async () => {
	expect(await fixed('<p>const iconData = {};</p>', '/src/lib/Page.svelte')).toBeUndefined();
});

test('icons that are written in another way are noticed', async () => {
	await expect(fixed('<svg></svg>')).rejects.toThrow('look at icons.js');
});
