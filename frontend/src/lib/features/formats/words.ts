import { kilograms } from '$lib/format';
import { m } from '$lib/paraglide/messages.js';
import { shapeOf } from './pattern';

/** What a code of a pattern looks like, in words where the pattern is a simple one. */
export function looksLike(pattern: string): string {
	const shape = shapeOf(pattern);
	if (!shape) return m.formats_own_pattern();
	const { start, leastDigits: least, mostDigits: most } = shape;
	if (least === most) return m.formats_start_digits({ start, count: least });
	return most >= 62
		? m.formats_start_digits_more({ start, count: least })
		: m.formats_start_digits_range({ start, least, most });
}

export function kindName(kind: 'parent' | 'child'): string {
	return kind === 'parent' ? m.one_parent() : m.one_child();
}

/** What a full parent weighs, or one child. */
export function weightOf(format: { child_weight_kg: number }): string {
	return m.formats_per_child({ weight: kilograms(format.child_weight_kg) });
}
