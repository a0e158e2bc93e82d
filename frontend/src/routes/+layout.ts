import { browser } from '$app/environment';
import { session } from '$lib/session.svelte';

export const ssr = false;
export const prerender = false;

// Asked while the page is still on its way: it is shown as soon as both are there.
if (browser) void session.resume();
