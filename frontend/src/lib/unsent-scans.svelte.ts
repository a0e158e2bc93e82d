/** Actions of one person that are not sent yet. */
export interface UnsentOf {
	user_id: number;
	username: string;
	count: number;
}

/** What is not sent yet from this device; up to date once the outbox has started. Small, so that any page may show it. */
class UnsentScans {
	/** Actions of the signed-in person that the server has not answered yet. */
	mine = $state(0);
	/** Those of them that are not stored on the device yet: milliseconds, unless the device is full. */
	saving = $state(0);
	/** Other people's, which wait until their owner signs in here again. */
	others = $state.raw<UnsentOf[]>([]);
	/** Refusals that need attention. */
	needsAttention = $state(0);
}

export const unsentScans = new UnsentScans();
