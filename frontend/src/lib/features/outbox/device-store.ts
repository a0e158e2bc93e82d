import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { firstRun, isShownUnsent, type QueuedAction, type Refusal } from './actions';
import { differences } from './sort-again';
import type { UnsentOf } from '$lib/unsent-scans.svelte';
import type { ActionStore } from './store';

interface Schema extends DBSchema {
	/** In the order of being done, which is the key: clocks are set back, keys are not. */
	acts: { key: number; value: QueuedAction; indexes: { by_id: string; by_user: number } };
	refusals: { key: string; value: Refusal; indexes: { by_user: number } };
}

/** Longer than the longest batch. */
const LOOK_AHEAD = 101;

let database: Promise<IDBPDatabase<Schema>> | undefined;

function open(): Promise<IDBPDatabase<Schema>> {
	database ??= openDB<Schema>('traitortrack-outbox', 1, {
		upgrade(db) {
			const acts = db.createObjectStore('acts', { autoIncrement: true });
			acts.createIndex('by_id', 'id', { unique: true });
			acts.createIndex('by_user', 'user_id');
			db.createObjectStore('refusals', { keyPath: 'id' }).createIndex('by_user', 'user_id');
		},
		// The browser closed the database, as it does when it is short of memory: opened again for the next act.
		terminated: () => (database = undefined)
	}).catch((error: unknown) => {
		database = undefined;
		throw error;
	});
	return database;
}

/** IndexedDB: outlives reloads, crashes and empty batteries. */
export const deviceStore: ActionStore = {
	async add(act) {
		// Strict: on the disk before the packer sees it as kept.
		const transaction = (await open()).transaction('acts', 'readwrite', { durability: 'strict' });
		await Promise.all([transaction.store.add(act), transaction.done]);
	},

	async take(userId, sorted) {
		const transaction = (await open()).transaction('acts', 'readwrite');
		const keys = await transaction.store.index('by_user').getAllKeys(userId, LOOK_AHEAD);
		const acts = await transaction.store.index('by_user').getAll(userId, LOOK_AHEAD);
		const run = firstRun(acts, sorted).map((act) => ({ ...act, attempted: true }));
		const marks = run.map((act, n) => (acts[n]?.attempted ? undefined : transaction.store.put(act, keys[n])));
		await Promise.all([...marks, transaction.done]);
		return run;
	},

	async list(userId) {
		return (await open()).getAllFromIndex('acts', 'by_user', userId);
	},

	async waiting() {
		const index = (await open()).transaction('acts').store.index('by_user');
		const people: UnsentOf[] = [];
		for (let cursor = await index.openCursor(null, 'nextunique'); cursor; cursor = await cursor.continue()) {
			const { user_id, username } = cursor.value;
			people.push({ user_id, username, count: await index.count(user_id) });
		}
		return people;
	},

	async withdraw(id) {
		const transaction = (await open()).transaction('acts', 'readwrite', { durability: 'strict' });
		const key = await transaction.store.index('by_id').getKey(id);
		const act = key === undefined ? undefined : await transaction.store.get(key);
		const isHere = key !== undefined && act !== undefined && !act.attempted;
		if (isHere) await transaction.store.delete(key);
		await transaction.done;
		return isHere;
	},

	async withdrawShown(userId) {
		const transaction = (await open()).transaction('acts', 'readwrite', { durability: 'strict' });
		const index = transaction.store.index('by_user');
		for (let cursor = await index.openCursor(userId); cursor; cursor = await cursor.continue())
			if (isShownUnsent(cursor.value)) await cursor.delete();
		await transaction.done;
	},

	async replace(userId, change) {
		const transaction = (await open()).transaction('acts', 'readwrite', { durability: 'strict' });
		const keys = await transaction.store.index('by_user').getAllKeys(userId);
		const acts = await transaction.store.index('by_user').getAll(userId);
		const replaced = differences(acts, change(acts));
		await Promise.all(replaced.map(({ before, after }) => transaction.store.put(after, keys[acts.indexOf(before)])));
		await transaction.done;
		return replaced;
	},

	async resolve(answered, refusals, voided) {
		const transaction = (await open()).transaction(['acts', 'refusals'], 'readwrite', { durability: 'strict' });
		const acts = transaction.objectStore('acts');
		for (const id of answered) {
			const key = await acts.index('by_id').getKey(id);
			if (key !== undefined) await acts.delete(key);
		}
		for (const refusal of refusals) await transaction.objectStore('refusals').put(refusal);
		for (const id of voided) await transaction.objectStore('refusals').delete(id);
		await transaction.done;
	},

	async refusals(userId) {
		return (await open()).getAllFromIndex('refusals', 'by_user', userId);
	},

	async dropRefusal(id) {
		await (await open()).delete('refusals', id);
	}
};
