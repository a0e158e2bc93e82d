import { kindName } from '$lib/features/formats/words';
import { roleName, ROLES } from '$lib/roles';
import { bytes, dateTime, kilograms, number } from '$lib/format';
import { m } from '$lib/paraglide/messages.js';
import type { AuditEntry } from './actions';
import type { NameOf } from './sentences';

/** Names of fields as people read them; others are shown as the server names them. */
const FIELDS: Record<string, () => string> = {
	username: m.username_only,
	email: m.email,
	role: m.role,
	wanted_role: m.audit_f_wanted_role,
	dispatch_area: m.area,
	is_active: m.active,
	name: m.name,
	kind: m.kind,
	format: m.audit_f_format,
	status: m.status,
	parent_qr_code: m.in_parent,
	bill: m.bill,
	qr_codes: m.nav_bags,
	destination: m.audit_f_destination,
	vehicle_number: m.audit_f_vehicle,
	description: m.description,
	expected_parent_bags: m.audit_f_expected,
	parent_bag_count: m.kind_parent,
	child_bag_count: m.children,
	actual_weight_kg: m.weight,
	child_weight_kg: m.formats_weight,
	capacity: m.formats_capacity,
	pattern: m.formats_pattern,
	priority: m.formats_priority,
	reason: m.reason,
	closed_as: m.reason,
	note: m.note,
	by: m.audit_f_by,
	scopes: m.keys_scopes,
	user_id: m.keys_acts_as,
	prefix: m.audit_f_prefix,
	expires_at: m.keys_expires,
	requests_per_minute: m.keys_quota,
	locked_until: m.audit_f_locked_until,
	sessions_ended: m.audit_f_sessions_ended,
	second_factor: m.users_factor,
	recovery_codes_left: m.audit_f_recovery_codes,
	method: m.audit_f_method,
	route: m.audit_f_route,
	filters: m.filters,
	file_name: m.audit_f_file,
	file_bytes: m.audit_f_file_size,
	mode: m.audit_f_mode,
	dry_run: m.audit_f_dry_run,
	rows_read: m.audit_f_rows_read,
	rows_accepted: m.audit_f_rows_accepted,
	rows_refused: m.audit_f_rows_refused,
	error: m.audit_f_error,
	created_at: m.created_at,
	scan_id: m.audit_f_scan,
	language: m.language
};

/** Words for values that are names of the server. */
const VALUES: Record<string, () => string> = {
	'status.open': m.status_open,
	'status.completed': m.status_completed,
	'status.new': m.audit_v_new,
	'status.processing': m.audit_v_processing,
	'status.queued': m.system_job_queued,
	'status.running': m.system_job_running,
	'status.succeeded': m.system_job_succeeded,
	'status.failed': m.system_job_failed,
	'status.approved': m.audit_v_approved,
	'status.rejected': m.audit_v_rejected,
	'status.pending': m.audit_v_pending,
	'reason.password': m.audit_v_wrong_password,
	'reason.code': m.audit_v_wrong_code,
	'reason.unknown_user': m.audit_v_unknown_user,
	'reason.created_for_another': m.audit_v_created_for_another,
	'closed_as.role_not_higher': m.prq_closed_text,
	'by.last_child': m.audit_v_last_child,
	'by.undo': m.audit_v_undo,
	'second_factor.totp': m.audit_v_totp,
	'second_factor.recovery_code': m.audit_v_recovery_code
};

/** A field that is other than before. */
export interface ReadableChange {
	field: string;
	label: string;
	/** Null where there was nothing. */
	before: string | null;
	after: string | null;
}

export function fieldName(field: string): string {
	return FIELDS[field]?.() ?? field.replaceAll('_', ' ');
}

/** A value in words; null for none. */
export function valueWords(field: string, value: unknown, nameOf: NameOf): string | null {
	if (value === null || value === undefined || value === '') return null;
	if (typeof value === 'boolean') return value ? m.yes() : m.no();
	if (Array.isArray(value)) return value.map((one) => valueWords(field, one, nameOf) ?? '').join(', ') || null;
	if (typeof value === 'object') {
		const parts = Object.entries(value).flatMap(([name, one]) => {
			const words = valueWords(name, one, nameOf);
			return words === null ? [] : [`${fieldName(name)}: ${words}`];
		});
		return parts.join('; ') || null;
	}
	if (typeof value !== 'number' && typeof value !== 'string') return null;
	if (field === 'user_id') return nameOf(String(value)) ?? m.audit_person_number({ id: String(value) });
	if (typeof value === 'number') {
		if (field.endsWith('_kg')) return kilograms(value);
		return field.endsWith('_bytes') ? bytes(value) : number(value);
	}
	return textWords(field, value);
}

function textWords(field: string, value: string): string {
	if (field === 'role' || field === 'wanted_role') {
		const role = ROLES.find((one) => one === value);
		return role ? roleName(role) : value;
	}
	if (field === 'kind' && (value === 'parent' || value === 'child')) return kindName(value);
	if ((field.endsWith('_at') || field.endsWith('_until')) && !Number.isNaN(Date.parse(value))) return dateTime(value);
	return VALUES[`${field}.${value}`]?.() ?? value;
}

/** What is other than before, in words. */
export function readableChanges(entry: AuditEntry, nameOf: NameOf = () => null): ReadableChange[] {
	return entry.changes.map(({ field, before, after }) => ({
		field,
		label: fieldName(field),
		before: valueWords(field, before, nameOf),
		after: valueWords(field, after, nameOf)
	}));
}
