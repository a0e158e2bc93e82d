import type { NewAction, Refusal } from '$lib/features/outbox/actions';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';

/** What a person can do about a refusal that came late. Whatever they choose is kept before the refusal goes. */
export function resolveBy(outbox: Outbox, openParent: string | null) {
	const replace = async (refusal: Refusal, act: NewAction | null) => {
		const isKept = act === null || (await outbox.add(act).kept);
		if (isKept) await outbox.drop(refusal);
	};
	return {
		onmove: ({ act, ...rest }: Refusal) => {
			const into = ('parent_qr_code' in act && act.parent_qr_code) || openParent;
			if (into) void replace({ act, ...rest }, { kind: 'move', qr_code: act.qr_code, parent_qr_code: into });
		},
		onretry: (refusal: Refusal) => void replace(refusal, again(refusal)),
		ondismiss: (refusal: Refusal) => void replace(refusal, null)
	};
}

/** The same once more, as a new act: made now, with an id of its own. */
function again({ act }: Refusal): NewAction {
	const common = { id: undefined, user_id: undefined, username: undefined, at: undefined, attempted: undefined };
	return { ...act, ...common };
}
