import { api, type Schemas } from '$lib/api/client';
import { isCode, type BagFormats } from '$lib/bag-formats/formats';
import { knownFormats } from '$lib/bag-formats/known-formats';
import { isOpening, isRefusal } from '$lib/features/outbox/actions';
import type {
	QueuedAction,
	Refusal,
	ScanAction,
	ShownRefusal,
	Source,
	StatusAction,
	ActionResult
} from '$lib/features/outbox/actions';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';
import type { Replaced } from '$lib/features/outbox/sort-again';
import { m } from '$lib/paraglide/messages.js';
import { commandOf, normalized, type Command } from './commands';
import { ModeCore } from './mode-core';
import type { StationMode } from './station-mode';
import { entryOf, entryOfRefusal, Feed, isFresh, type Entry } from './feed.svelte';
import { playTone, speak } from './feedback';
import { isRefused } from '$lib/outcomes/outcome';
import { isOpeningEntry, newParent, parentBefore, parentOf, recallParents, refusalOfChild } from './parent';
import { rememberParents, shownCount, withOpen, type OpenParent, type RememberedParents } from './parent';
import { afterUndo, outcomeOf, outcomeOfUndo, shownRefusalOf } from './action-results';

const UNDOABLE = new Set(['linked', 'filled', 'pending']);

/** Packing: every scan is kept on the device first, shown at once, and turns when the server answers. */
export class PackingMode implements StationMode {
	readonly feed: Feed;
	readonly #core: ModeCore;
	#parents = $state.raw<RememberedParents>({ open: null, left: [] });
	/** The packer has asked for the next parent, and scanned nothing since. */
	#isNextDue = false;
	/** Counts what the server has said of open parents, so that an older answer does not replace a newer one. */
	#learned = 0;

	constructor(private readonly outbox: Outbox) {
		this.feed = new Feed(`traitortrack-feed-${outbox.userId}`);
		this.#core = new ModeCore(outbox, this.feed);
		outbox.watch({
			sees: ({ act }) => this.feed.sees(act.id),
			resolved: (result) => this.#resolve(result),
			replaced: (replaced) => this.#replace(replaced)
		});
		this.#parents = recallParents(outbox.userId);
		void Promise.all([outbox.list(), outbox.listRefusals()]).then((kept) => this.#resume(...kept));
		void this.#refreshParent();
	}

	get parent(): OpenParent | null {
		return this.#parents.open;
	}

	/** Children in the open parent as far as the station knows, scans on their way included. */
	get count(): number {
		return this.parent ? shownCount(this.parent, this.feed.entries) : 0;
	}

	get undoable(): Entry | null {
		const isUndoable = ({ kind, into, outcome, isUndoing, isUnsorted }: Entry) =>
			kind === 'scan' && (into !== null || isUnsorted) && !isUndoing && UNDOABLE.has(outcome);
		return this.feed.entries.find(isUndoable) ?? null;
	}

	scan(scanned: string, source: Source): void {
		const code = normalized(scanned);
		if (code === '') return;
		const command = commandOf(code);
		if (command) return this.#obey(command, code);
		const formats = knownFormats.current;
		if (!isCode(code)) this.#core.refuse(code, this.parent?.code ?? null, 'invalid_qr_code');
		else if (formats && !this.feed.entries.some(isUnsortedYet)) this.#take(code, source, formats);
		else this.#queue(code, source);
		this.#isNextDue = false;
	}

	undo(entry: Entry): void {
		const { id, code, into } = entry;
		const undo = { kind: 'undo', scan_id: id, qr_code: code, parent_qr_code: into } as const;
		this.#core.undo(entry, undo, (act) => this.#core.resolveUndo(act, [id], 'undone', afterUndo('undone')));
	}

	moveHere({ code, into }: Entry): void {
		if (into) this.#core.do({ kind: 'move', qr_code: code, parent_qr_code: into }, {}, () => playTone('kept'));
	}

	/** Leaves this parent as it is and asks for the next one. */
	next(): void {
		this.#setParent(null);
		this.#isNextDue = true;
		this.feed.clear();
		playTone('again');
		speak(m.open_parent_first());
	}

	/** Completes the parent early, or opens it again. */
	setStatus(kind: 'complete' | 'reopen'): void {
		const { parent } = this;
		if (!parent) return this.#core.refuseCommand('', 'no_parent_open');
		if (kind === 'complete' && this.count === 0 && this.#core.isBlocked)
			return this.#core.refuseCommand(parent.code, 'empty_parent');
		this.#core.do({ kind, qr_code: parent.code }, {}, () => playTone('kept'));
		this.#setParent({ ...parent, status: kind === 'complete' ? 'completed' : 'open' });
	}

	stop(): void {
		this.outbox.watch(null);
	}

	/** Goes on where the page was left; after a crash the queue knows more than what was remembered. */
	#resume(acts: QueuedAction[], refusals: Refusal[]): void {
		this.feed.restore(acts);
		// Nobody watched when the open parent was refused.
		const refused = refusals.findLast(({ act }) => isOpening(act) && act.qr_code === this.parent?.code);
		if (refused && !this.#isAnsweredSince(refused.act)) this.#stepBack(refused.act, entryOfRefusal(refused));
		const last = acts.findLast((act) => act.kind === 'scan' && !act.shown_as && act.sorting !== 'due');
		if (this.parent || last?.kind !== 'scan') return;
		this.#setParent(this.#newParent(last.parent_qr_code ?? last.qr_code));
	}

	/** Without formats nobody knows a parent from a child: the scan is kept, and sorted before it is sent. */
	#queue(code: string, source: Source): void {
		const open_before = this.#isNextDue ? null : this.parent?.code;
		const act = { kind: 'scan', qr_code: code, parent_qr_code: null, source, sorting: 'due' } as const;
		this.#core.do({ ...act, ...(open_before === undefined ? {} : { open_before }) }, {}, () => playTone('kept'));
	}

	#take(code: string, source: Source, formats: BagFormats): void {
		const verdict = formats.verdictOf(code);
		if (verdict === 'parent') return this.#open(code, source);
		const refusal = shownRefusalOf(verdict, this.parent !== null);
		if (refusal) return this.#ask(code, source, refusal);
		this.#put(code, source);
	}

	#obey(command: Command | 'unknown', code: string): void {
		if (command === 'next') return this.next();
		if (command === 'complete') return this.setStatus('complete');
		if (command === 'unknown') return this.#core.refuseCommand(code, 'unknown_command');
		if (this.undoable) this.undo(this.undoable);
		else this.#core.refuseCommand('', 'nothing_to_undo');
	}

	#open(code: string, source: Source): void {
		const open_before = this.parent?.code ?? null;
		if (open_before !== code) this.#setParent(this.#newParent(code));
		this.#core.do({ kind: 'scan', qr_code: code, parent_qr_code: null, source, open_before }, {}, () =>
			playTone('kept')
		);
	}

	/** A child for the open parent. While nothing can be sent, the device itself knows when the parent is full. */
	#put(code: string, source: Source): void {
		const { parent, count } = this;
		if (!parent) return;
		const refusal = this.#core.isBlocked ? refusalOfChild(parent, this.feed.entries, code) : null;
		if (refusal) return this.#core.refuse(code, parent.code, refusal);
		const act = { kind: 'scan', qr_code: code, parent_qr_code: parent.code, source } as const;
		const entry = this.#core.do(act, {}, ({ id }) => this.#acknowledge(id));
		const fills = parent.capacity !== null && count < parent.capacity && this.count === parent.capacity;
		if (fills) this.feed.update(entry.id, { fills });
	}

	/** Shows a refusal at once; while the server can be asked, it is, and its word counts. */
	#ask(code: string, source: Source, shown_as: ShownRefusal): void {
		const into = this.parent?.code ?? null;
		if (this.#core.isBlocked) return this.#core.refuse(code, into, shown_as);
		const act = { kind: 'scan', qr_code: code, parent_qr_code: into, source, shown_as } as const;
		this.#core.announce(this.#core.do(act, { outcome: shown_as }, () => undefined));
	}

	/** Without a network the device itself says that it has got the scan, and when the parent must be full. */
	#acknowledge(id: string): void {
		const fills = this.feed.find(id)?.fills;
		playTone(fills ? 'done' : 'kept');
		speak(fills ? m.outcome_filled() : String(this.count));
	}

	#resolve(result: ActionResult): void {
		const { act } = result;
		if (result.parent) this.#learn(result.parent);
		else if (result.outcome === 'opened' && result.bag) this.#learn(result.bag);
		else if (act.kind !== 'undo' && isRefusal(result.outcome)) void this.#refreshParent();
		if (act.kind === 'undo') this.#resolveUndo(act, act.scan_id, result);
		else this.#resolveEntry(result);
	}

	#resolveUndo(act: QueuedAction, scanId: string, { outcome: plain }: ActionResult): void {
		const outcome = outcomeOfUndo(plain, this.feed.find(scanId));
		if (isRefused(outcome)) void this.#refreshParent();
		this.#core.resolveUndo(act, [scanId], outcome, afterUndo(outcome));
	}

	#resolveEntry(result: ActionResult): void {
		const { act, bag, parent } = result;
		const outcome = outcomeOf(result);
		const isLookup = outcome === 'found' || outcome === 'no_parent_open';
		const elsewhere = result.elsewhere ?? (isLookup ? (bag?.parent ?? null) : null);
		const entry = this.#core.resolve(act.id, { outcome, elsewhere, count: parent?.child_count ?? null, fills: false });
		if (isRefused(outcome)) this.#stepBack(act, entry ?? entryOf(act, outcome));
		else if (outcome === 'opened' && bag && !isOpening(act)) this.#openUnexpected(act.id, bag);
	}

	/** The server knows a parent in what was shown as refused: it is open, unless the packer has gone on since. */
	#openUnexpected(id: string, bag: Schemas['Bag']): void {
		const isNewest = this.feed.entries.find(({ kind }) => kind === 'scan')?.id === id;
		if (isNewest && !this.parent) this.#setParent(parentOf(bag));
	}

	/** What was shown before the server agreed is put right. */
	#stepBack(act: QueuedAction, entry: Entry): void {
		if (act.qr_code !== this.parent?.code) return;
		if (act.kind === 'complete' || act.kind === 'reopen') this.#stepBackStatus(act, this.parent);
		if (!isOpening(act) || this.#isOpenedSince(entry.id, act.qr_code)) return;
		const before = parentBefore(entry, this.feed.entries, isRefused);
		this.#setParent(before === null ? null : this.#newParent(before));
		void this.#refreshParent();
	}

	#stepBackStatus({ kind }: StatusAction, parent: OpenParent): void {
		this.#setParent({ ...parent, status: kind === 'complete' ? 'open' : 'completed' });
		void this.#refreshParent();
	}

	/** Other acts stand in the queue: a parent is open that the station did not know, and what came behind is in it. */
	#replace(replaced: Replaced[]): void {
		for (const { before, after } of replaced) this.feed.replace(before.id, after);
		for (const { before, after } of replaced) if (after.kind === 'scan') this.#resort(before, after);
	}

	#resort(before: QueuedAction, after: ScanAction): void {
		const wasUnsorted = before.kind === 'scan' && before.sorting === 'due';
		const isNext = (after.open_before ?? null) === (this.parent?.code ?? null) || wasUnsorted;
		if (isOpening(after) && isNext && !this.#isNextDue && !this.#isOpenedSince(after.id))
			this.#setParent(this.#newParent(after.qr_code));
		const entry = after.shown_as && this.feed.find(after.id);
		if (entry && isFresh(entry)) this.#core.announce(entry);
	}

	/** Whether a parent was opened after this entry: this one, or any. */
	#isOpenedSince(id: string, code?: string): boolean {
		const { entries } = this.feed;
		const newer = entries.slice(
			0,
			Math.max(
				0,
				entries.findIndex((entry) => entry.id === id)
			)
		);
		return newer.some(
			(entry) => isOpeningEntry(entry) && !isRefused(entry.outcome) && entry.code === (code ?? entry.code)
		);
	}

	/** Whether the station has shown the answer to this opening, or to a later one of the same parent. */
	#isAnsweredSince({ id, qr_code, at }: QueuedAction): boolean {
		const isLater = (entry: Entry) => isOpeningEntry(entry) && entry.code === qr_code && entry.at > Date.parse(at);
		return this.feed.entries.some((entry) => entry.id === id || isLater(entry));
	}

	async #refreshParent(): Promise<void> {
		if (!this.parent) return;
		const learned = this.#learned;
		const path = { qr_code: this.parent.code };
		const answer = await api.GET('/api/v1/bags/{qr_code}', { params: { path } }).catch(() => null);
		if (answer?.data && learned === this.#learned) this.#learn(answer.data);
	}

	/** Takes over what the server says of the open parent. */
	#learn(bag: Schemas['Bag']): void {
		if (this.parent?.code !== bag.qr_code) return;
		this.#learned += 1;
		this.#setParent(parentOf(bag));
	}

	/** The parent with this code: as it was left, or as its format has it. */
	#newParent(code: string): OpenParent {
		const left = this.#parents.left.find((parent) => parent.code === code);
		return left ?? newParent(code, knownFormats.current?.capacityOf(code) ?? null);
	}

	#setParent(parent: OpenParent | null): void {
		this.#parents = withOpen(this.#parents, parent);
		rememberParents(this.outbox.userId, this.#parents);
	}
}

function isUnsortedYet({ isUnsorted, outcome }: Entry): boolean {
	return isUnsorted && outcome === 'pending';
}
