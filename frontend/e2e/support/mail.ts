import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The newest e-mail to an address, as text; waits until there is one. */
export async function mailTo(folder: string, address: string): Promise<string> {
	for (const deadline = Date.now() + 300_000; Date.now() < deadline;) {
		const files = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.eml')).sort();
		for (const file of files.reverse()) {
			const mail = decode(await readFile(join(folder, file), 'utf8'));
			if (new RegExp(`^To: .*${address}`, 'm').test(mail)) return mail;
		}
		await new Promise((wait) => setTimeout(wait, 100));
	}
	throw new Error(`no e-mail to ${address} in ${folder}`);
}

/** Undoes quoted-printable, so that links are whole. */
function decode(mail: string): string {
	return mail
		.replace(/=\r?\n/g, '')
		.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
