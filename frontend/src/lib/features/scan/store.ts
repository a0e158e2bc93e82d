import { openDB, type IDBPDatabase } from 'idb';

/** A scan that the server has not answered yet. */
export interface QueuedScan {
	id: string;
	user_id: number;
	qr_code: string;
	parent_qr_code?: string;
	scanned_at: string;
	source: 'wedge' | 'keypad';
}

/** Keeps scans on the device until they are answered: in order, through reloads, crashes and empty batteries. */
export interface ScanStore {
	add(scan: QueuedScan): Promise<void>;
	/** The oldest scans of a person, at most `limit`. */
	oldest(userId: number, limit: number): Promise<QueuedScan[]>;
	count(userId: number): Promise<number>;
	remove(ids: string[]): Promise<void>;
}

const STORE = 'scans';

let database: Promise<IDBPDatabase> | undefined;

function open(): Promise<IDBPDatabase> {
	database ??= openDB('traitortrack', 1, {
		upgrade(db) {
			// The id is a UUIDv7: its order is the order of the scans.
			const store = db.createObjectStore(STORE, { keyPath: 'id' });
			store.createIndex('by_user', ['user_id', 'id']);
		}
	});
	return database;
}

const range = (userId: number) => IDBKeyRange.bound([userId, ''], [userId, '\uffff']);

export const deviceStore: ScanStore = {
	async add(scan) {
		const db = await open();
		// Strict: on the disk before the packer sees it as taken.
		const transaction = db.transaction(STORE, 'readwrite', { durability: 'strict' });
		await Promise.all([transaction.store.put(scan), transaction.done]);
	},
	async oldest(userId, limit) {
		return (await open()).getAllFromIndex(STORE, 'by_user', range(userId), limit);
	},
	async count(userId) {
		return (await open()).countFromIndex(STORE, 'by_user', range(userId));
	},
	async remove(ids) {
		const transaction = (await open()).transaction(STORE, 'readwrite');
		await Promise.all([...ids.map((id) => transaction.store.delete(id)), transaction.done]);
	}
};
