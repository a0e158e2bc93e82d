import { base } from '$app/paths';

/** Where the API is: beside the app, or where the app was built for (`VITE_API_URL=https://api.example npm run build`). */
export const apiBase: string = (import.meta.env.VITE_API_URL ?? '').replace(/\/+$/, '') || base;

/** Whether the API is on another host than the app. */
export const isApiElsewhere = /^https?:/.test(apiBase);

/** Address of a path of the API, as `/api/v1/me/data`. */
export function apiUrl(path: string): string {
	return apiBase + path;
}
