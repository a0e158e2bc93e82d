import createClient from 'openapi-fetch';
import type { Problem, Schemas } from '$lib/api/client';
import type { paths } from '$lib/api/schema.gen';
import type { BagFormat } from '$lib/bag-formats/formats';
import type {
	QueuedAction,
	BillAction,
	MoveAction,
	ScanAction,
	StatusAction,
	UndoAction,
	ActionResult
} from './actions';
import { RetryLater, type Transport } from './sender';

/** Who carries requests: a page with its session, or the service worker with the session's cookie. */
export interface AuthTransport {
	baseUrl: string;
	credentials: RequestCredentials;
	/** The access token of the person whose acts these are; throws [`RetryLater`] when there is none. */
	token(): Promise<string>;
	/** Another token after this one was refused; throws [`RetryLater`] when there is none. */
	renew(): Promise<string>;
	/** The `Date` header of each answer. */
	noteDate(header: string | null): void;
}

/** A network that swallows requests is no better than none. */
const TIMEOUT_MS = 20_000;

/** Problems that say nothing about the act: the same request is right a little later. */
const TEMPORARY_STATUS = new Set([408, 425, 429]);
/** An undo of a scan that linked nothing has nothing to do; what the packer wanted is so. */
const NOTHING_TO_UNDO = new Set(['nothing_to_undo', 'scan_not_found']);

type Client = ReturnType<typeof createClient<paths>>;
interface Answer<T> {
	data?: T;
	error?: unknown;
	response: Response;
}

function clientOf(auth: AuthTransport): Client {
	return createClient<paths>({
		baseUrl: auth.baseUrl,
		credentials: auth.credentials,
		fetch: (request) => authorizedFetch(auth, request)
	});
}

/** Reads the bag formats over HTTP; throws [`RetryLater`] when they can't be had. */
export function httpFormats(auth: AuthTransport): () => Promise<BagFormat[]> {
	const api = clientOf(auth);
	return async () => {
		const { data, error, response } = await api.GET('/api/v1/bag-formats');
		if (data) return data.data;
		problemOf(error, response);
		throw new RetryLater('busy');
	};
}

/** Sends acts over HTTP. */
export function httpTransport(auth: AuthTransport): Transport {
	const api = clientOf(auth);
	return async (acts) => {
		const [first] = acts;
		if (acts.length > 1) return sendScans(api, acts as ScanAction[]);
		return first ? [await sendOne(api, first)] : [];
	};
}

async function authorizedFetch(auth: AuthTransport, request: Request): Promise<Response> {
	const spare = request.clone();
	const response = await send(auth, request, await auth.token());
	return response.status === 401 ? send(auth, spare, await auth.renew()) : response;
}

async function send(auth: AuthTransport, request: Request, token: string): Promise<Response> {
	request.headers.set('authorization', `Bearer ${token}`);
	const response = await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) });
	auth.noteDate(response.headers.get('date'));
	return response;
}

function sendOne(api: Client, act: QueuedAction): Promise<ActionResult> {
	switch (act.kind) {
		case 'scan':
			return sendScan(api, act);
		case 'undo':
			return sendUndo(api, act);
		case 'complete':
		case 'reopen':
			return sendStatus(api, act);
		case 'move':
			return sendMove(api, act);
		case 'bill_add':
			return addToBill(api, act);
		case 'bill_remove':
			return removeFromBill(api, act);
	}
}

function bodyOf({ id, qr_code, parent_qr_code, at, source }: ScanAction): Schemas['ScanRequest'] {
	return { id, qr_code, scanned_at: at, source, ...(parent_qr_code ? { parent_qr_code } : {}) };
}

async function sendScan(api: Client, act: ScanAction): Promise<ActionResult> {
	const { data, error, response } = await api.POST('/api/v1/scans', { body: bodyOf(act) });
	if (data) return resultOf(act, data.outcome, { bag: data.bag, parent: data.parent });
	return refusalOf(act, error, response);
}

async function sendScans(api: Client, acts: ScanAction[]): Promise<ActionResult[]> {
	const { data, error, response } = await api.POST('/api/v1/scans/batch', { body: { scans: acts.map(bodyOf) } });
	if (data) {
		return acts.map((act, n) => {
			const result = data.results[n];
			return resultOf(act, result?.outcome ?? result?.problem?.code ?? 'refused', {
				bag: result?.bag,
				parent: result?.parent,
				elsewhere: result?.linked_parent_qr_code
			});
		});
	}
	problemOf(error, response);
	// The whole batch was refused: one by one, so that only the scan at fault is refused, and shown.
	const results: ActionResult[] = [];
	for (const act of acts) results.push(await sendScan(api, act));
	return results;
}

async function sendUndo(api: Client, act: UndoAction): Promise<ActionResult> {
	const { data, error, response } = await api.POST('/api/v1/scans/{id}/undo', {
		params: { path: { id: act.scan_id } },
		headers: keyOf(act)
	});
	if (data) return resultOf(act, 'undone', { bag: data.bag, parent: data.parent });
	const refusal = refusalOf(act, error, response);
	return NOTHING_TO_UNDO.has(refusal.outcome) ? { ...refusal, outcome: 'nothing_undone' } : refusal;
}

async function sendStatus(api: Client, act: StatusAction): Promise<ActionResult> {
	const options = { params: { path: { qr_code: act.qr_code } }, headers: keyOf(act) };
	const { data, error, response }: Answer<Schemas['Bag']> =
		act.kind === 'complete'
			? await api.POST('/api/v1/bags/{qr_code}/complete', options)
			: await api.POST('/api/v1/bags/{qr_code}/reopen', options);
	if (data) return resultOf(act, act.kind === 'complete' ? 'completed' : 'reopened', { bag: data, parent: data });
	return refusalOf(act, error, response);
}

async function sendMove(api: Client, act: MoveAction): Promise<ActionResult> {
	const { data, error, response } = await api.PUT('/api/v1/bags/{qr_code}/parent', {
		params: { path: { qr_code: act.qr_code } },
		body: { parent_qr_code: act.parent_qr_code }
	});
	if (!data) return refusalOf(act, error, response);
	const parent = await api.GET('/api/v1/bags/{qr_code}', { params: { path: { qr_code: act.parent_qr_code } } });
	return resultOf(act, 'moved', { bag: data, parent: parent.data });
}

async function addToBill(api: Client, act: BillAction): Promise<ActionResult> {
	const { data, error, response } = await api.POST('/api/v1/bills/{bill_number}/bags', {
		params: { path: { bill_number: act.bill_number } },
		body: { qr_codes: [act.qr_code] },
		headers: keyOf(act)
	});
	const result = data?.results[0];
	if (!data || !result) return refusalOf(act, error, response);
	return resultOf(act, result.outcome, {
		bill: data.bill,
		elsewhere: result.bill_number,
		warning: result.warning?.code
	});
}

async function removeFromBill(api: Client, act: BillAction): Promise<ActionResult> {
	const path = { bill_number: act.bill_number };
	const { error, response } = await api.DELETE('/api/v1/bills/{bill_number}/bags/{qr_code}', {
		params: { path: { ...path, qr_code: act.qr_code } }
	});
	if (!response.ok) {
		const refusal = refusalOf(act, error, response);
		// It is off the bill, as it should be: an earlier try has done it.
		if (refusal.outcome !== 'bag_not_found') return refusal;
	}
	const bill = await api.GET('/api/v1/bills/{bill_number}', { params: { path } });
	return resultOf(act, 'removed', { bill: bill.data });
}

/** Sending the same act again gets the first answer again, and does nothing. */
function keyOf(act: QueuedAction): Record<string, string> {
	return { 'idempotency-key': act.id };
}

type Facts = { [K in Exclude<keyof ActionResult, 'act' | 'outcome'>]?: ActionResult[K] | undefined };

function resultOf(act: QueuedAction, outcome: string, facts: Facts): ActionResult {
	const { bag, parent, elsewhere, bill, warning } = facts;
	return {
		act,
		outcome,
		bag: bag ?? null,
		parent: parent ?? null,
		elsewhere: elsewhere ?? null,
		bill: bill ?? null,
		warning: warning ?? null
	};
}

function refusalOf(act: QueuedAction, error: unknown, response: Response): ActionResult {
	const problem = problemOf(error, response);
	return resultOf(act, problem.code, {
		bag: problem.scan?.bag,
		parent: problem.scan?.parent,
		elsewhere: problem.linked_parent_qr_code
	});
}

/** The problem that is about the act itself; anything else has the queue wait. */
function problemOf(error: unknown, response: Response): Problem & Partial<Schemas['ScanProblem']> {
	const problem = error as (Problem & Partial<Schemas['ScanProblem']>) | undefined;
	const seconds = Number(response.headers.get('retry-after'));
	const retryAfterMs = seconds > 0 ? seconds * 1000 : null;
	const needsSignIn = response.status === 401 || (response.status === 403 && problem?.code !== 'forbidden');
	if (needsSignIn) throw new RetryLater('signed_out', retryAfterMs);
	// An answer that is not the API's comes from something in between.
	const isOurs = typeof problem === 'object' && problem !== null && typeof problem.code === 'string';
	if (!isOurs || response.status >= 500) throw new RetryLater('busy', retryAfterMs);
	const isInFlight = problem.code === 'request_in_progress';
	if (TEMPORARY_STATUS.has(response.status) || isInFlight) throw new RetryLater('busy', retryAfterMs);
	return problem;
}
