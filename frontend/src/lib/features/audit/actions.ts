import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

export type AuditEntry = Schemas['AuditEntry'];

/** Every action the server writes, with its name for the filter. */
export const ACTIONS: Record<string, () => string> = {
	sign_in_ok: m.audit_a_sign_in_ok,
	sign_in_failed: m.audit_a_sign_in_failed,
	sign_in_locked: m.audit_a_sign_in_locked,
	sign_out: m.audit_a_sign_out,
	token_reused: m.audit_a_token_reused,
	access_denied: m.audit_a_access_denied,
	password_changed: m.audit_a_password_changed,
	password_set_by_admin: m.audit_a_password_set_by_admin,
	password_reset_requested: m.audit_a_password_reset_requested,
	password_reset: m.audit_a_password_reset,
	two_factor_enabled: m.audit_a_two_factor_enabled,
	two_factor_disabled: m.audit_a_two_factor_disabled,
	personal_data_downloaded: m.audit_a_personal_data_downloaded,
	user_created: m.audit_a_user_created,
	user_changed: m.audit_a_user_changed,
	role_changed: m.audit_a_role_changed,
	user_disabled: m.audit_a_user_disabled,
	user_enabled: m.audit_a_user_enabled,
	user_unlocked: m.audit_a_user_unlocked,
	user_deleted: m.audit_a_user_deleted,
	promotion_requested: m.audit_a_promotion_requested,
	promotion_approved: m.audit_a_promotion_approved,
	promotion_rejected: m.audit_a_promotion_rejected,
	bag_created: m.audit_a_bag_created,
	bag_changed: m.audit_a_bag_changed,
	bag_deleted: m.audit_a_bag_deleted,
	child_linked: m.audit_a_child_linked,
	child_unlinked: m.audit_a_child_unlinked,
	child_moved: m.audit_a_child_moved,
	scan_undone: m.audit_a_scan_undone,
	parent_completed: m.audit_a_parent_completed,
	parent_reopened: m.audit_a_parent_reopened,
	bill_created: m.audit_a_bill_created,
	bill_changed: m.audit_a_bill_changed,
	bill_bag_added: m.audit_a_bill_bag_added,
	bill_bag_removed: m.audit_a_bill_bag_removed,
	bill_finished: m.audit_a_bill_finished,
	bill_reopened: m.audit_a_bill_reopened,
	bill_deleted: m.audit_a_bill_deleted,
	bag_format_created: m.audit_a_bag_format_created,
	bag_format_changed: m.audit_a_bag_format_changed,
	dispatch_area_created: m.audit_a_dispatch_area_created,
	dispatch_area_changed: m.audit_a_dispatch_area_changed,
	api_key_created: m.audit_a_api_key_created,
	api_key_revoked: m.audit_a_api_key_revoked,
	import: m.audit_a_import,
	export: m.audit_a_export,
	report_sent: m.audit_a_report_sent,
	cache_cleared: m.audit_a_cache_cleared
};

/** What an entry can be about. */
export const ENTITIES: Record<string, () => string> = {
	bag: m.audit_e_bag,
	bill: m.audit_e_bill,
	user: m.person,
	session: m.audit_e_session,
	bag_format: m.audit_e_bag_format,
	dispatch_area: m.area,
	api_key: m.audit_e_api_key,
	import: m.audit_e_import,
	export: m.audit_e_export,
	promotion_request: m.audit_e_promotion_request,
	report: m.audit_e_report,
	system: m.nav_system
};

const spaced = (name: string) => name.replaceAll('_', ' ');

/** An action in a few words; one that this app does not know yet as the server names it. */
export const actionName = (action: string): string => ACTIONS[action]?.() ?? spaced(action);

export const entityName = (type: string): string => ENTITIES[type]?.() ?? spaced(type);
