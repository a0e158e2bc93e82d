import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';
import { statusWords } from './status';

type Entry = Schemas['AuditEntry'];

/** A bag or two are named, more are counted. */
const MOST_NAMED = 3;

const ACTIONS: Record<string, () => string> = {
	bill_created: m.bills_action_created,
	bill_changed: m.bills_action_changed,
	bill_bag_added: m.bills_action_bag_added,
	bill_bag_removed: m.bills_action_bag_removed,
	bill_finished: m.bills_action_finished,
	bill_reopened: m.bills_action_reopened,
	bill_deleted: m.bills_action_deleted
};

const FIELDS: Record<string, () => string> = {
	destination: m.bills_destination,
	vehicle_number: m.bills_vehicle,
	expected_parent_bags: m.bills_expected_bags,
	description: m.description,
	reason: m.reason
};

/** What was done to a bill, in the person's language. */
export function actionWords(action: string): string {
	return ACTIONS[action]?.() ?? action.replaceAll('_', ' ');
}

/** The particulars that are worth a line each: which bags, which values. */
export function detailsOf(entry: Entry): string[] {
	return entry.changes.flatMap(({ field, before, after }) => {
		if (field === 'qr_codes') return [bagsOf(after ?? before)];
		const name = FIELDS[field]?.();
		if (!name) return [];
		return [
			before === null || before === undefined
				? `${name}: ${valueOf(after)}`
				: `${name}: ${valueOf(before)} → ${valueOf(after)}`
		];
	});
}

function bagsOf(value: unknown): string {
	const codes = Array.isArray(value) ? value.map(String) : [];
	return codes.length > MOST_NAMED ? m.bills_bags_count({ count: codes.length }) : codes.join(', ');
}

function valueOf(value: unknown): string {
	if (value === 'new' || value === 'processing' || value === 'completed') return statusWords(value);
	if (typeof value === 'string') return value;
	return value === null || value === undefined ? '–' : JSON.stringify(value);
}
