/** Tabs and the service worker take turns at the refresh cookie under this name, so that each sends the newest one. */
export const REFRESH_LOCK = 'traitortrack-refresh';
