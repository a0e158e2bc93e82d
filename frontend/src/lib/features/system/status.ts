import type { Component } from 'svelte';
import CircleAlert from '@lucide/svelte/icons/circle-alert';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleMinus from '@lucide/svelte/icons/circle-minus';
import CircleX from '@lucide/svelte/icons/circle-x';
import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

export type Status = Schemas['Status'];
type Tone = 'plain' | 'ok' | 'warn' | 'bad';

interface Look {
	label: string;
	tone: Tone;
	icon: Component<{ size?: number; 'aria-hidden'?: 'true' }>;
}

/** How a state is shown: a word, a colour and a shape. */
export function lookOf(status: Status): Look {
	switch (status) {
		case 'healthy':
			return { label: m.system_healthy(), tone: 'ok', icon: CircleCheck };
		case 'degraded':
			return { label: m.system_degraded(), tone: 'warn', icon: CircleAlert };
		case 'unhealthy':
			return { label: m.system_unhealthy(), tone: 'bad', icon: CircleX };
		case 'not_configured':
			return { label: m.system_not_used(), tone: 'plain', icon: CircleMinus };
	}
}

/** Background tasks have a table of their own. */
export type Part = Exclude<keyof Schemas['Checks'], 'background_tasks'>;

/** What each part is, in the order a person would look. */
export const PARTS: Record<Part, () => string> = {
	database: m.system_database,
	scan_writer: m.system_scan_writer,
	jobs: m.system_jobs,
	disk: m.system_disk,
	partitions: m.system_partitions,
	replicas: m.system_replicas,
	redis: m.system_redis
};

type WriteProblem = Schemas['WriteProblem'];

/** Why no scan can be saved, and what to do about it. */
const WRITE_PROBLEMS: Record<WriteProblem, () => string> = {
	database_unreachable: m.system_problem_database_unreachable,
	read_only: m.system_problem_read_only,
	storage_full: m.system_problem_storage_full,
	overloaded: m.system_problem_overloaded,
	stuck: m.system_problem_stuck
};

/** What to do about a part; null when there is nothing to do. */
export function adviceFor(part: Part, status: Status, problem?: WriteProblem | null): string | null {
	if (status === 'healthy') return null;
	if (problem) return WRITE_PROBLEMS[problem]();
	if (status === 'not_configured') {
		if (part === 'redis') return m.system_redis_not_used();
		return part === 'replicas' ? m.system_replicas_not_used() : null;
	}
	return {
		database: m.system_advice_database,
		scan_writer: m.system_advice_scan_writer,
		jobs: m.system_advice_jobs,
		disk: m.system_advice_disk,
		partitions: m.system_advice_partitions,
		replicas: m.system_advice_replicas,
		redis: m.system_advice_redis
	}[part]();
}
