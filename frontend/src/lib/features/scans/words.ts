import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

/** Every outcome a scan can have, in the order in which people ask for them. */
export const OUTCOMES = [
	'opened',
	'linked',
	'already_linked',
	'found',
	'undone',
	'linked_elsewhere',
	'parent_full',
	'parent_completed',
	'parent_on_completed_bill',
	'kind_mismatch',
	'other_dispatch_area',
	'unknown_parent',
	'bag_not_found',
	'looks_like_parent',
	'product_barcode'
] as const satisfies Schemas['ScanOutcome'][];

/** What was scanned and why, in words. */
export const kindWords: Record<Schemas['ScanKind'], () => string> = {
	parent: m.scans_kind_parent,
	child: m.scans_kind_child,
	lookup: m.scans_kind_lookup,
	undo: m.scans_kind_undo
};

/** How a code came in, in words. */
export const sourceWords: Record<Schemas['ScanSource'], () => string> = {
	wedge: m.scans_source_wedge,
	camera: m.scans_source_camera,
	keypad: m.scans_source_keypad,
	api: m.scans_source_api,
	import: m.scans_source_import
};
