import { ENTITIES, actionName, entityName, type AuditEntry } from './actions';
import { roleName, ROLES } from '$lib/roles';
import { m } from '$lib/paraglide/messages.js';

/** Gives the id of a user its name; null when it is not known. */
export type NameOf = (id: string) => string | null;

const field = (entry: AuditEntry, name: string) => entry.changes.find((change) => change.field === name);

/** A value as it was or became, as text; null where there is none. */
function text(value: unknown): string | null {
	return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

const was = (entry: AuditEntry, name: string) => text(field(entry, name)?.before);
const became = (entry: AuditEntry, name: string) => text(field(entry, name)?.after);

/** Who acted: a name, the system itself, or somebody who was not signed in. */
export function actorName(entry: AuditEntry): string {
	if (entry.actor?.username) return entry.actor.username;
	if (entry.actor?.id) return m.audit_person_number({ id: entry.actor.id });
	return entry.ip ? m.audit_somebody() : m.audit_system();
}

/** The API key that was used, as people call it. */
export function keyName({ id, name }: NonNullable<AuditEntry['api_key']>): string {
	return name ?? String(id);
}

/** What it is about, as people call it. */
export function aboutName(entry: AuditEntry, nameOf: NameOf): string {
	if (entry.entity_type === 'user')
		return entry.entity_id === 'unknown'
			? m.audit_unknown_person()
			: (nameOf(entry.entity_id) ?? m.audit_person_number({ id: entry.entity_id }));
	if (entry.entity_type === 'api_key') return became(entry, 'name') ?? was(entry, 'name') ?? entry.entity_id;
	if (entry.entity_type === 'import') return became(entry, 'file_name') ?? entityName('import');
	if (entry.entity_type === 'export') return EXPORTS[entry.entity_id]?.() ?? entry.entity_id;
	return entry.entity_id;
}

const EXPORTS: Record<string, () => string> = {
	bags: m.nav_bags,
	bills: m.nav_bills,
	scans: m.nav_scans,
	users: m.nav_users,
	'audit-logs': m.nav_audit_log,
	links: m.audit_links
};

function roleWords(value: string | null): string {
	const role = ROLES.find((one) => one === value);
	return role ? roleName(role) : (value ?? '?');
}

/** One bag by its code, many by their number. */
function bagsOf(codes: unknown): string {
	if (!Array.isArray(codes)) return '?';
	return codes.length === 1 ? String(codes[0]) : m.audit_bags({ count: codes.length });
}

/** What happened, as a sentence of the person's language: "asha moved CB-1 from SB1 to SB2". */
export function sentence(entry: AuditEntry, nameOf: NameOf = () => null): string {
	const actor = actorName(entry);
	const about = aboutName(entry, nameOf);
	const bag = about;
	const from = was(entry, 'parent_qr_code') ?? '?';
	const to = became(entry, 'parent_qr_code') ?? '?';
	switch (entry.action) {
		case 'sign_in_ok':
			return became(entry, 'second_factor') ? m.audit_s_sign_in_factor({ actor }) : m.audit_s_sign_in_ok({ actor });
		case 'sign_in_failed':
			return failedSignIn(entry, about);
		case 'sign_in_locked':
			return m.audit_s_sign_in_locked({ about });
		case 'sign_out':
			return entry.entity_type === 'user' ? m.audit_s_sign_out_all({ actor }) : m.audit_s_sign_out({ actor });
		case 'token_reused':
			return m.audit_s_token_reused({ actor });
		case 'access_denied':
			return m.audit_s_access_denied({
				actor,
				route: `${became(entry, 'method') ?? ''} ${became(entry, 'route') ?? ''}`.trim()
			});
		case 'password_changed':
			return m.audit_s_password_changed({ actor });
		case 'password_set_by_admin':
			return m.audit_s_password_set_by_admin({ actor, about });
		case 'password_reset_requested':
			return m.audit_s_password_reset_requested({ about });
		case 'password_reset':
			return m.audit_s_password_reset({ about });
		case 'two_factor_enabled':
			return m.audit_s_two_factor_enabled({ actor });
		case 'two_factor_disabled':
			return String(entry.actor?.id ?? '') === entry.entity_id
				? m.audit_s_two_factor_disabled({ actor })
				: m.audit_s_two_factor_reset({ actor, about });
		case 'personal_data_downloaded':
			return m.audit_s_personal_data_downloaded({ actor });
		case 'user_created':
			return m.audit_s_user_created({
				actor,
				about: became(entry, 'username') ?? about,
				role: roleWords(became(entry, 'role'))
			});
		case 'user_changed':
			return String(entry.actor?.id ?? '') === entry.entity_id
				? m.audit_s_user_changed_own({ actor })
				: m.audit_s_user_changed({ actor, about });
		case 'role_changed':
			return m.audit_s_role_changed({
				actor,
				about,
				from: roleWords(was(entry, 'role')),
				to: roleWords(became(entry, 'role'))
			});
		case 'user_disabled':
			return m.audit_s_user_disabled({ actor, about });
		case 'user_enabled':
			return m.audit_s_user_enabled({ actor, about });
		case 'user_unlocked':
			return m.audit_s_user_unlocked({ actor, about });
		case 'user_deleted':
			return m.audit_s_user_deleted({ actor, about });
		case 'promotion_requested':
			return m.audit_s_promotion_requested({ actor, role: roleWords(became(entry, 'wanted_role')) });
		case 'promotion_approved':
			return m.audit_s_promotion_approved({ actor, about });
		case 'promotion_rejected':
			return m.audit_s_promotion_rejected({ actor, about });
		case 'bag_created':
			return m.audit_s_bag_created({ actor, bag });
		case 'bag_changed':
			return m.audit_s_bag_changed({ actor, bag });
		case 'bag_deleted':
			return m.audit_s_bag_deleted({ actor, bag });
		case 'child_linked':
			return m.audit_s_child_linked({ actor, bag, to });
		case 'child_unlinked':
			return m.audit_s_child_unlinked({ actor, bag, from });
		case 'child_moved':
			return m.audit_s_child_moved({ actor, bag, from, to });
		case 'scan_undone':
			return m.audit_s_scan_undone({ actor, bag, from });
		case 'parent_completed':
			return became(entry, 'by') === 'last_child'
				? m.audit_s_parent_completed_last({ bag, actor })
				: m.audit_s_parent_completed({ actor, bag });
		case 'parent_reopened':
			return m.audit_s_parent_reopened({ actor, bag });
		default:
			return paperSentence(entry, actor, about);
	}
}

function failedSignIn(entry: AuditEntry, about: string): string {
	switch (became(entry, 'reason')) {
		case 'unknown_user':
			return m.audit_s_sign_in_unknown();
		case 'code':
			return m.audit_s_sign_in_code({ about });
		default:
			return m.audit_s_sign_in_failed({ about });
	}
}

/** Sentences about bills, the house's own lists and what goes in and out. */
function paperSentence(entry: AuditEntry, actor: string, about: string): string {
	switch (entry.action) {
		case 'bill_created':
			return m.audit_s_bill_created({ actor, about, place: became(entry, 'destination') ?? '?' });
		case 'bill_changed':
			return m.audit_s_bill_changed({ actor, about });
		case 'bill_bag_added':
			return entry.entity_type === 'bag'
				? m.audit_s_bill_bag_added({ actor, bag: about, bill: became(entry, 'bill') ?? '?' })
				: m.audit_s_bill_bag_added({ actor, bag: bagsOf(field(entry, 'qr_codes')?.after), bill: about });
		case 'bill_bag_removed':
			return entry.entity_type === 'bag'
				? m.audit_s_bill_bag_removed({ actor, bag: about, bill: was(entry, 'bill') ?? '?' })
				: m.audit_s_bill_bag_removed({ actor, bag: bagsOf(field(entry, 'qr_codes')?.before), bill: about });
		case 'bill_finished':
			return m.audit_s_bill_finished({ actor, about });
		case 'bill_reopened':
			return m.audit_s_bill_reopened({ actor, about, reason: became(entry, 'reason') ?? '' });
		case 'bill_deleted':
			return m.audit_s_bill_deleted({ actor, about });
		case 'bag_format_created':
			return m.audit_s_bag_format_created({ actor, about });
		case 'bag_format_changed':
			return m.audit_s_bag_format_changed({ actor, about });
		case 'dispatch_area_created':
			return m.audit_s_dispatch_area_created({ actor, about });
		case 'dispatch_area_changed':
			return m.audit_s_dispatch_area_changed({ actor, about });
		case 'api_key_created':
			return m.audit_s_api_key_created({ actor, about });
		case 'api_key_revoked':
			return m.audit_s_api_key_revoked({ actor, about });
		case 'import':
			return importSentence(entry, actor, about);
		case 'export':
			return m.audit_s_export({ actor, about });
		case 'report_sent':
			return m.audit_s_report_sent();
		case 'cache_cleared':
			return m.audit_s_cache_cleared({ actor });
		default:
			return m.audit_s_other({
				actor,
				action: actionName(entry.action),
				entity: ENTITIES[entry.entity_type] ? entityName(entry.entity_type) : entry.entity_type,
				about
			});
	}
}

function importSentence(entry: AuditEntry, actor: string, about: string): string {
	switch (became(entry, 'status')) {
		case 'succeeded':
			return m.audit_s_import_done({ actor, count: Number(field(entry, 'rows_accepted')?.after ?? 0) });
		case 'failed':
			return m.audit_s_import_failed({ actor });
		default:
			return m.audit_s_import({ actor, about });
	}
}
