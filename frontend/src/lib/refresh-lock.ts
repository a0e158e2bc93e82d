/** Tabs and the service worker take turns at the refresh cookie under this name: each of its tokens is good once. */
export const REFRESH_LOCK = 'traitortrack-refresh';
