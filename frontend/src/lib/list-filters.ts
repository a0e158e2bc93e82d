/** The first of the known values that this is; others count as nothing chosen. */
export const oneOf = <const T extends string>(value: string | null, allowed: readonly T[]): T | undefined =>
	allowed.find((one) => one === value);

/** The object without what has no value: the API refuses empty parameters. */
export function given<T extends object>(values: { [K in keyof T]: T[K] | undefined | null | '' }): T {
	return Object.fromEntries(Object.entries(values).filter(([, value]) => Boolean(value))) as T;
}

/** What narrows a list, without its order and place: for exports and counts. */
export function narrowing<T extends { sort?: unknown; cursor?: unknown }>(filters: T): Omit<T, 'sort' | 'cursor'> {
	const rest = { ...filters };
	delete rest.sort;
	delete rest.cursor;
	return rest;
}
