/** Reads CSV (RFC 4180) that comes in pieces, and gives the rows that are whole. */
export class CsvReader {
	#rows: string[][] = [];
	#row: string[] = [];
	#cell = '';
	#isQuoted = false;
	/** A quote inside quotes: the end of them, or the first of two that mean one. */
	#wasQuote = false;
	#isAfterReturn = false;

	push(text: string): void {
		for (const char of text) this.#take(char);
	}

	/** What was read so far; a last row without a line end is whole when there is no more. */
	rows(isEnd: boolean): string[][] {
		if (isEnd && (this.#cell !== '' || this.#row.length > 0)) this.#endRow();
		return this.#rows;
	}

	get count(): number {
		return this.#rows.length;
	}

	#take(char: string): void {
		if (this.#isQuoted) {
			if (!this.#wasQuote) {
				if (char === '"') this.#wasQuote = true;
				else this.#cell += char;
				return;
			}
			this.#wasQuote = false;
			if (char === '"') {
				this.#cell += '"';
				return;
			}
			this.#isQuoted = false;
		}
		const isSecondOfTwo = char === '\n' && this.#isAfterReturn;
		this.#isAfterReturn = char === '\r';
		if (isSecondOfTwo) return;
		if (char === '"' && this.#cell === '') this.#isQuoted = true;
		else if (char === ',') this.#endCell();
		else if (char === '\n' || char === '\r') this.#endRow();
		else this.#cell += char;
	}

	#endCell(): void {
		this.#row.push(this.#cell);
		this.#cell = '';
	}

	#endRow(): void {
		this.#endCell();
		this.#rows.push(this.#row);
		this.#row = [];
	}
}
