/** Codes in what was typed or pasted: one on a line, or with commas, semicolons or spaces between them; in order. */
export function codesIn(text: string): string[] {
	return text.split(/[\s,;]+/).filter((code) => code !== '');
}
