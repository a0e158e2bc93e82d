/** Offers a text that was made here as a file. */
export function saveText(text: string, name: string, type: string): void {
	saveBlob(new Blob([text], { type }), name);
}

/** Offers a blob as a file. */
export function saveBlob(blob: Blob, name: string): void {
	const url = URL.createObjectURL(blob);
	const link = document.createElement('a');
	link.href = url;
	link.download = name;
	link.click();
	// The browser has taken its own reference by the next turn.
	setTimeout(() => URL.revokeObjectURL(url));
}
