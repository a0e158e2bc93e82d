import type { Filter } from '$lib/components/table/filter';
import { addDays, beginOf, dayIn } from '$lib/days';
import { ROLES, roleName, type Role } from '$lib/roles';
import { wordsOf } from '$lib/outcomes/outcome';
import { m } from '$lib/paraglide/messages.js';

/** What can be exported, by its name in the API and in the page's address. */
export const EXPORTS = ['bags', 'links', 'bills', 'scans', 'users', 'audit-logs'] as const;
export type ExportName = (typeof EXPORTS)[number];
export const FORMATS = ['csv', 'xlsx', 'ndjson'] as const;
export type ExportFormat = (typeof FORMATS)[number];

const OF_ADMINS: readonly ExportName[] = ['users', 'audit-logs'];
const OUTCOMES = [
	'opened',
	'linked',
	'already_linked',
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
] as const;

export function exportsFor(role: Role | undefined): ExportName[] {
	if (role === 'admin') return [...EXPORTS];
	return role === 'biller' ? EXPORTS.filter((name) => !OF_ADMINS.includes(name)) : [];
}

export function exportName(name: ExportName): string {
	return {
		bags: m.nav_bags,
		links: m.export_links,
		bills: m.nav_bills,
		scans: m.nav_scans,
		users: m.nav_users,
		'audit-logs': m.nav_audit_log
	}[name]();
}

export function exportHint(name: ExportName): string {
	return {
		bags: m.export_bags_hint,
		links: m.export_links_hint,
		bills: m.export_bills_hint,
		scans: m.export_scans_hint,
		users: m.export_users_hint,
		'audit-logs': m.export_audit_hint
	}[name]();
}

const select = (name: string, label: string, options: [string, string][]): Filter => ({
	name,
	label,
	type: 'select',
	options: options.map(([value, text]) => ({ value, label: text }))
});
const yesOrNo = (name: string, label: string) =>
	select(name, label, [
		['true', m.yes()],
		['false', m.no()]
	]);
const days = (after: string, before: string): Filter[] => [
	{ name: after, label: m.from_date(), type: 'date' },
	{ name: before, label: m.to_date(), type: 'date' }
];

/** The filters of an export: the names are those of the list, so that a list's address can be exported. */
export function filtersFor(name: ExportName, areas: string[]): Filter[] {
	const area = select(
		'area',
		m.area(),
		areas.map((code) => [code, code])
	);
	switch (name) {
		case 'bags':
			return [
				{ name: 'q', label: m.search_bags(), type: 'search' },
				select('kind', m.kind(), [
					['parent', m.kind_parent()],
					['child', m.kind_child()]
				]),
				select('status', m.status(), [
					['open', m.status_open()],
					['completed', m.status_completed()]
				]),
				area,
				yesOrNo('billed', m.filter_on_bill()),
				yesOrNo('linked', m.filter_in_parent()),
				...days('created_after', 'created_before')
			];
		case 'links':
			return [{ name: 'parent', label: m.field_parent(), type: 'text' }, area];
		case 'bills':
			return [
				{ name: 'q', label: m.filter_bill_text(), type: 'search' },
				select('status', m.status(), [
					['new', m.bill_new()],
					['processing', m.bills_processing()],
					['completed', m.bills_completed()]
				]),
				area,
				...days('created_after', 'created_before')
			];
		case 'scans':
			return [
				{ name: 'bag', label: m.filter_bag(), type: 'search' },
				select('kind', m.kind(), [
					['parent', m.filter_scan_parent()],
					['child', m.filter_scan_child()],
					['lookup', m.filter_scan_lookup()],
					['undo', m.filter_scan_undo()]
				]),
				select(
					'outcome',
					m.filter_outcome(),
					OUTCOMES.map((outcome) => [outcome, wordsOf(outcome, '…')])
				),
				area,
				...days('scanned_after', 'scanned_before')
			];
		case 'users':
			return [
				{ name: 'q', label: m.filter_user_text(), type: 'search' },
				select(
					'role',
					m.role(),
					ROLES.map((role) => [role, roleName(role)])
				),
				yesOrNo('is_active', m.filter_active())
			];
		case 'audit-logs':
			return [
				{ name: 'q', label: m.filter_audit_text(), type: 'search' },
				{ name: 'action', label: m.filter_action(), type: 'text' },
				{ name: 'entity_type', label: m.filter_entity_type(), type: 'text' },
				{ name: 'entity_id', label: m.filter_entity_id(), type: 'text' },
				...days('after', 'before')
			];
	}
}

/**
 * The filters of an address as the API takes them. A day after which is its beginning here, and a day before which
 * belongs to the range, so it is the beginning of the next one.
 */
export function filtersIn(filters: Filter[], params: URLSearchParams): Record<string, string> {
	const query: Record<string, string> = {};
	for (const { name, type } of filters) {
		const value = params.get(name)?.trim();
		if (!value) continue;
		if (type !== 'date') query[name] = value;
		else if (dayIn(value)) query[name] = beginOf(name.endsWith('before') ? addDays(value, 1) : value);
	}
	return query;
}
