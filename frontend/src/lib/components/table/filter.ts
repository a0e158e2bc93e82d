/** A filter of a list: its name is the parameter in the page's address and in the API. */
export interface Filter {
	name: string;
	label: string;
	type: 'search' | 'text' | 'select' | 'date';
	/** Of a select; the bar itself adds the first choice, "all". */
	options?: { value: string; label: string }[];
	/** Of a select: words for no choice. */
	all?: string;
}
