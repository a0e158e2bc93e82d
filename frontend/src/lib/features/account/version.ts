/** The document's `info` comes before its paths; its version is within these characters. */
const HEAD = 4_000;

/** Reads the version from the beginning of an answer with the API's document, and lets the rest go. */
export async function versionIn(answer: Response): Promise<string | null> {
	const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
	if (!answer.ok || !reader) return null;
	let head = '';
	for (let part = await reader.read(); !part.done; part = await reader.read()) {
		head += part.value;
		const version = /^ {2}version: (\S+)\n/m.exec(head)?.[1];
		if (version || head.length > HEAD) {
			await reader.cancel();
			return version ?? null;
		}
	}
	return null;
}
