/**
 * Runs `work` alone among all tabs of this app. Browsers offer locks on secure origins only (HTTPS, localhost); on
 * others the tabs are on their own.
 */
export async function exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
	if (!('locks' in navigator)) return work();
	return navigator.locks.request(name, work);
}
