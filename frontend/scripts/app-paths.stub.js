// Vitest runs logic without SvelteKit: the app is at the root.
export const base = '';
