import { afterEach, describe, expect, it, vi } from 'vitest';
import type { QueuedAction, NewAction } from './actions';
import { RetryLater } from './sender';
import { httpFormats, httpTransport } from './transport';

const act = (what: NewAction): QueuedAction => ({
	...what,
	id: '019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11',
	user_id: 1,
	username: 'asha',
	at: '2026-01-01T00:00:00Z'
});
const scan = act({ kind: 'scan', qr_code: 'CB-1', parent_qr_code: 'SB12345', source: 'wedge' });
const undo = act({ kind: 'undo', scan_id: scan.id, qr_code: 'CB-1', parent_qr_code: 'SB12345' });
const move = act({ kind: 'move', qr_code: 'CB-1', parent_qr_code: 'SB12345' });

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
	new Response(JSON.stringify({ type: '', title: '', status, code, detail: code }), {
		status,
		headers: { 'content-type': 'application/problem+json', ...headers }
	});

/** A transport whose requests get these answers; with the requests as they were sent. */
function transportWith(...answers: (Response | Error)[]) {
	const sent: Request[] = [];
	vi.stubGlobal('fetch', async (request: Request) => {
		sent.push(request);
		const answer = answers.shift();
		if (answer instanceof Error) throw answer;
		return answer ?? problem(500, 'out_of_answers');
	});
	const auth = {
		baseUrl: 'http://warehouse.test',
		credentials: 'same-origin' as const,
		token: () => Promise.resolve('old'),
		renew: () => Promise.resolve('new'),
		noteDate: () => undefined
	};
	return { transport: httpTransport(auth), formats: httpFormats(auth), sent };
}

const reasonOf = (work: Promise<unknown>) =>
	work.then(
		() => 'done',
		(error: unknown) => (error instanceof RetryLater ? error.reason : String(error))
	);

describe('httpTransport', () => {
	afterEach(() => vi.unstubAllGlobals());

	it('renews the token once and sends the same again', async () => {
		const { transport, sent } = transportWith(problem(401, 'token_expired'), problem(409, 'parent_full'));
		const [result] = await transport([scan]);
		expect(result?.outcome).toBe('parent_full');
		expect(sent.map((request) => request.headers.get('authorization'))).toEqual(['Bearer old', 'Bearer new']);
		expect(await sent[1]?.json()).toMatchObject({ id: scan.id, qr_code: 'CB-1', parent_qr_code: 'SB12345' });
	});

	it.each([
		['the session is over', problem(401, 'session_ended'), 'signed_out'],
		['the password must be changed', problem(403, 'password_change_required'), 'signed_out'],
		['the server is busy', problem(503, 'busy'), 'busy'],
		['there are too many requests', problem(429, 'rate_limited'), 'busy'],
		['the same request is still at work', problem(409, 'request_in_progress'), 'busy'],
		['something in between answers', new Response('<html>', { status: 404 }), 'busy']
	])('has the acts wait when %s', async (_, answer, reason) => {
		const { transport } = transportWith(answer.clone(), answer.clone());
		expect(await reasonOf(transport([scan]))).toBe(reason);
	});

	it('waits as long as the server says', async () => {
		const { transport } = transportWith(problem(429, 'rate_limited', { 'retry-after': '7' }));
		await expect(transport([scan])).rejects.toMatchObject({ retryAfterMs: 7000 });
	});

	it('does not take a sign-in page of the network for an answer', async () => {
		const { transport } = transportWith(new Response('<html>Welcome to the airport</html>', { status: 200 }));
		expect(await reasonOf(transport([scan]))).not.toBe('done');
	});

	it('sends a refused batch one by one', async () => {
		const { transport, sent } = transportWith(
			problem(422, 'invalid'),
			problem(422, 'invalid_qr_code'),
			problem(409, 'parent_full')
		);
		const results = await transport([scan, scan]);
		expect(results.map((result) => result.outcome)).toEqual(['invalid_qr_code', 'parent_full']);
		expect(sent).toHaveLength(3);
	});

	it('has nothing to undo where the scan linked nothing, and says so when it is too late', async () => {
		const { transport, sent } = transportWith(
			problem(409, 'nothing_to_undo'),
			problem(404, 'scan_not_found'),
			problem(409, 'undo_window_passed')
		);
		const outcomes = [];
		for (let n = 0; n < 3; n += 1) outcomes.push((await transport([undo]))[0]?.outcome);
		expect(outcomes).toEqual(['nothing_undone', 'nothing_undone', 'undo_window_passed']);
		expect(sent[0]?.headers.get('idempotency-key')).toBe(undo.id);
	});

	it('is refused, and does not wait, where a role may not do it', async () => {
		const { transport } = transportWith(problem(403, 'forbidden'));
		expect((await transport([move]))[0]?.outcome).toBe('forbidden');
	});

	it('keeps nothing of what the server says in English', async () => {
		const { transport } = transportWith(problem(409, 'undo_window_passed'), problem(409, 'parent_full'));
		for (const one of [undo, scan]) expect(Object.keys((await transport([one]))[0] ?? {})).not.toContain('detail');
	});

	it('sends what only the station knows of a scan nowhere', async () => {
		const { transport, sent } = transportWith(problem(409, 'looks_like_parent'));
		const shown = { ...scan, shown_as: 'looks_like_parent', open_before: 'SB1', was_child: true } as QueuedAction;
		expect((await transport([shown]))[0]?.outcome).toBe('looks_like_parent');
		expect(Object.keys((await sent[0]?.json()) as object).sort()).toEqual(
			['id', 'parent_qr_code', 'qr_code', 'scanned_at', 'source'].sort()
		);
	});

	it('reads the bag formats, with another token when the first is too old', async () => {
		const list = { data: [{ name: 'Mustard' }], next_cursor: null };
		const { formats, sent } = transportWith(problem(401, 'token_expired'), Response.json(list));
		expect(await formats()).toEqual(list.data);
		expect(sent.map((request) => new URL(request.url).pathname)).toEqual(Array(2).fill('/api/v1/bag-formats'));
	});

	it.each([
		['the session is over', problem(401, 'session_ended'), 'signed_out'],
		['the server is busy', problem(503, 'unavailable'), 'busy'],
		['something in between answers', new Response('<html>', { status: 404 }), 'busy']
	])('has everything wait when there are no formats because %s', async (_, answer, reason) => {
		const { formats } = transportWith(answer.clone(), answer.clone());
		expect(await reasonOf(formats())).toBe(reason);
	});
});
