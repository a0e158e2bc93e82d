import type { Component } from 'svelte';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleX from '@lucide/svelte/icons/circle-x';
import Hourglass from '@lucide/svelte/icons/hourglass';
import LoaderCircle from '@lucide/svelte/icons/loader-circle';
import type { Schemas } from '$lib/api/client';
import { m } from '$lib/paraglide/messages.js';

type JobStatus = Schemas['JobStatus'];

export const JOB_STATUSES: readonly JobStatus[] = ['queued', 'running', 'succeeded', 'failed'];

export const JOB_KINDS: Record<string, () => string> = {
	email: m.system_job_email,
	import: m.system_job_import,
	end_of_day: m.system_job_end_of_day
};

export const jobKind = (kind: string): string => JOB_KINDS[kind]?.() ?? kind.replaceAll('_', ' ');

interface Look {
	label: string;
	tone: 'ok' | 'again' | 'plain' | 'bad';
	icon: Component<{ size?: number; 'aria-hidden'?: 'true' }>;
}

export function jobLook(status: JobStatus): Look {
	return {
		queued: { label: m.system_job_queued(), tone: 'plain' as const, icon: Hourglass },
		running: { label: m.system_job_running(), tone: 'again' as const, icon: LoaderCircle },
		succeeded: { label: m.system_job_succeeded(), tone: 'ok' as const, icon: CircleCheck },
		failed: { label: m.system_job_failed(), tone: 'bad' as const, icon: CircleX }
	}[status];
}
