import { apiUrl } from '$lib/api/address';
import { authorized, type Schemas } from '$lib/api/client';
import { ApiError, NetworkError } from '$lib/api/errors';
import { m } from '$lib/paraglide/messages.js';
import { CsvReader } from './csv';

export type Import = Schemas['Import'];
export type ImportKind = Schemas['ImportKind'];
export type ImportMode = Schemas['ImportMode'];

export const isFinished = ({ status }: Import): boolean => status === 'succeeded' || status === 'failed';

export function kindName(kind: ImportKind): string {
	return kind === 'bags' ? m.import_kind_bags() : m.import_kind_links();
}

export function fieldName(field: Schemas['ImportField']): string {
	return {
		qr_code: m.code,
		parent_qr_code: m.field_parent,
		child_qr_code: m.field_child,
		name: m.name,
		dispatch_area: m.area,
		kind: m.field_kind
	}[field]();
}

/** A file to begin with, as the server reads it. */
export function exampleOf(kind: ImportKind): string {
	const rows =
		kind === 'bags'
			? [
					['qr_code', 'kind', 'name', 'dispatch_area'],
					['SB90001', 'parent', 'Mustard, lot 7', 'Lucknow'],
					['SB90002', 'parent', '', 'Indore'],
					['CH-90001', 'child', '', 'Lucknow'],
					['CH-90002', '', '', '']
				]
			: [
					['parent_qr_code', 'child_qr_code'],
					['SB90001', 'CH-90001'],
					['SB90001', 'CH-90002'],
					['SB90002', 'CH-90003']
				];
	const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
	return rows.map((row) => row.map(cell).join(',') + '\r\n').join('');
}

/** A row that was refused. */
export interface RefusedRow {
	line: string;
	/** What the row had, in the columns of the file. */
	values: string[];
	code: string;
	reason: string;
}

/**
 * The first refused rows of an import: there may be millions, so the rest is not even fetched.
 *
 * # Errors
 * [`ApiError`] when the server refuses, [`NetworkError`] when it was not reached.
 */
export async function readRefusedRows(id: string, most: number): Promise<RefusedRow[]> {
	const reader = new CsvReader();
	try {
		const response = await authorized(new Request(apiUrl(`/api/v1/imports/${id}/errors`)));
		if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
		const body = response.body?.pipeThrough(new TextDecoderStream()).getReader();
		for (;;) {
			const piece = await body?.read();
			if (!piece || piece.done) break;
			reader.push(piece.value);
			// One more is the head.
			if (reader.count > most + 1) {
				await body?.cancel();
				break;
			}
		}
	} catch (error) {
		throw error instanceof ApiError ? error : new NetworkError(error);
	}
	return reader
		.rows(reader.count <= most + 1)
		.slice(1, most + 1)
		.map((cells) => ({
			line: cells[0] ?? '',
			values: cells.slice(1, -2),
			code: cells.at(-2) ?? '',
			reason: cells.at(-1) ?? ''
		}));
}
