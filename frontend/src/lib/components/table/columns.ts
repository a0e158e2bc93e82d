import type { Snippet } from 'svelte';

/** A column of a [`DataTable`]. What a cell shows is `text`, or `cell` where it is more than text. */
export interface Column<Row> {
	id: string;
	label: string;
	text?: (row: Row) => string;
	cell?: Snippet<[Row]>;
	/** Names the row: it is the row's header, and can't be hidden. */
	isTitle?: boolean;
	/** Numbers stand at the end, so that their digits line up. */
	isFigure?: boolean;
	/** Not shown until somebody chooses it. */
	isHiddenAtFirst?: boolean;
	/** Values of the server's `sort` for the smallest and the largest first, where it can sort by this. */
	sort?: { ascending: string; descending: string };
}

const keyOf = (table: string) => `traitortrack-columns-${table}`;

/** Which columns of a table this person hides on this device. */
export function hiddenColumns<Row>(table: string, columns: Column<Row>[]): string[] {
	const stored = localStorage.getItem(keyOf(table));
	if (stored !== null) return stored.split(',').filter(Boolean);
	return columns.filter((column) => column.isHiddenAtFirst).map((column) => column.id);
}

export function keepHiddenColumns(table: string, hidden: string[]): void {
	localStorage.setItem(keyOf(table), hidden.join(','));
}

/** What the menu of columns shows, and what it does. */
export interface ColumnChoice {
	columns: { id: string; label: string }[];
	isShown: (id: string) => boolean;
	ontoggle: (id: string) => void;
}
