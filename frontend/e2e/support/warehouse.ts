import type { components } from '../../src/lib/api/schema.gen';
import { apiAs, signIn } from './api-as';
import { Server } from './server';

type Role = components['schemas']['Role'];

export interface Person {
	username: string;
	password: string;
}

export const ADMIN: Person = { username: 'admin', password: 'Rules-The-House-1' };
const PASSWORD = 'Packs-All-Day-1';

/** The server with an admin, and what tests prepare and check over the API. */
export class Warehouse {
	private serial = 0;

	private constructor(
		readonly server: Server,
		private readonly api: Awaited<ReturnType<typeof apiAs>>
	) {}

	static async open(settings: Record<string, string> = {}): Promise<Warehouse> {
		const server = await Server.start({ ADMIN_PASSWORD: ADMIN.password, ...settings });
		return new Warehouse(server, await apiAs(server.url, ADMIN));
	}

	/** An access token of the admin, as the server issues it now. */
	async accessToken(): Promise<string> {
		return (await signIn(this.server.url, ADMIN)).value;
	}

	/** A new person, nobody else's in any test. */
	async person(role: Role, dispatch_area = 'Lucknow'): Promise<Person> {
		this.serial += 1;
		const person = { username: `${role}${this.serial}`, password: PASSWORD };
		const { error } = await this.api.POST('/api/v1/users', {
			body: { ...person, role, dispatch_area: role === 'dispatcher' ? dispatch_area : null }
		});
		if (error) throw new Error(JSON.stringify(error));
		return person;
	}

	/** A parent code that no other test uses. */
	parentCode(): string {
		this.serial += 1;
		return `SB${String(70_000 + this.serial)}`;
	}

	/** Adds a bag format, as an admin does on the page of formats. Returns its id. */
	async addFormat(format: components['schemas']['CreateBagFormatRequest']): Promise<number> {
		const { data, error } = await this.api.POST('/api/v1/bag-formats', { body: format });
		if (!data) throw new Error(JSON.stringify(error));
		return data.id;
	}

	/** Changes the pattern of a bag format. */
	async changePattern(id: number, pattern: string): Promise<void> {
		const { error } = await this.api.PATCH('/api/v1/bag-formats/{id}', {
			params: { path: { id } },
			headers: { 'content-type': 'application/merge-patch+json' },
			body: { pattern }
		});
		if (error) throw new Error(JSON.stringify(error));
	}

	/** Puts children into a parent, as an admin. */
	async pack(parent: string, children: string[]): Promise<void> {
		const scans = [{ qr_code: parent }, ...children.map((qr_code) => ({ qr_code, parent_qr_code: parent }))];
		const { data, error } = await this.api.POST('/api/v1/scans/batch', { body: { scans } });
		const problem = data?.results.find((result) => result.problem)?.problem ?? error;
		if (problem) throw new Error(JSON.stringify(problem));
	}

	/** What a person does over the API. */
	as(person: Person): ReturnType<typeof apiAs> {
		return apiAs(this.server.url, person);
	}

	/** Moves a child to another parent, as an admin. */
	async move(qr_code: string, parent_qr_code: string): Promise<void> {
		const { error } = await this.api.PUT('/api/v1/bags/{qr_code}/parent', {
			params: { path: { qr_code } },
			body: { parent_qr_code }
		});
		if (error) throw new Error(JSON.stringify(error));
	}

	/** Codes in a parent, in the order they went in, as the server has them. */
	async childrenOf(qr_code: string): Promise<string[]> {
		const { data, error } = await this.api.GET('/api/v1/bags/{qr_code}/children', {
			params: { path: { qr_code }, query: { limit: 200 } }
		});
		if (!data) throw new Error(JSON.stringify(error));
		return data.data.map((child) => child.qr_code);
	}

	async bag(qr_code: string): Promise<components['schemas']['Bag']> {
		const { data, error } = await this.api.GET('/api/v1/bags/{qr_code}', { params: { path: { qr_code } } });
		if (!data) throw new Error(JSON.stringify(error));
		return data;
	}

	/** Scans recorded of a bag or into it. */
	async scansOf(bag: string): Promise<components['schemas']['Scan'][]> {
		const { data, error } = await this.api.GET('/api/v1/scans', { params: { query: { bag, limit: 200 } } });
		if (!data) throw new Error(JSON.stringify(error));
		return data.data;
	}

	/** Ends every session of a person, as they would from another device. */
	async endSessionsOf(person: Person): Promise<void> {
		await (await this.as(person)).POST('/api/v1/auth/logout-all');
	}

	/** A parent with children that is ready for a bill. */
	async readyParent(children = 2): Promise<string> {
		const parent = this.parentCode();
		await this.pack(
			parent,
			Array.from({ length: children }, (_, n) => `C${parent}-${n + 1}`)
		);
		const { error } = await this.api.POST('/api/v1/bags/{qr_code}/complete', {
			params: { path: { qr_code: parent } }
		});
		if (error) throw new Error(JSON.stringify(error));
		return parent;
	}

	/** A bill with bags on it, made by the admin; its number. */
	async bill(qr_codes: string[], expected_parent_bags = 10, destination = 'Jaipur depot'): Promise<string> {
		const { data, error } = await this.api.POST('/api/v1/bills', {
			body: { destination, vehicle_number: 'RJ14 GB 1234', expected_parent_bags }
		});
		if (!data) throw new Error(JSON.stringify(error));
		const { bill_number } = data;
		if (qr_codes.length > 0) {
			const added = await this.api.POST('/api/v1/bills/{bill_number}/bags', {
				params: { path: { bill_number } },
				body: { qr_codes }
			});
			if (added.data?.results.some((result) => result.outcome !== 'added')) throw new Error(JSON.stringify(added.data));
		}
		return bill_number;
	}

	async finishBill(bill_number: string): Promise<void> {
		const { error } = await this.api.POST('/api/v1/bills/{bill_number}/finish', { params: { path: { bill_number } } });
		if (error) throw new Error(JSON.stringify(error));
	}

	/** Codes on a bill, as the server has them. */
	async bagsOnBill(bill_number: string): Promise<string[]> {
		const { data, error } = await this.api.GET('/api/v1/bills/{bill_number}/bags', {
			params: { path: { bill_number }, query: { limit: 200 } }
		});
		if (!data) throw new Error(JSON.stringify(error));
		return data.data.map((bag) => bag.qr_code);
	}
}
