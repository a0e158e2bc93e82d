import { api, type Schemas } from '$lib/api/client';
import type { Act, NewAct, Source, Verdict } from '$lib/features/outbox/acts';
import { isRefusal } from '$lib/features/outbox/acts';
import type { Outbox } from '$lib/features/outbox/outbox.svelte';
import { m } from '$lib/paraglide/messages.js';
import { commandOf, normalized, type Command } from './commands';
import type { Desk } from './desk';
import { Feed, isFresh, type Entry } from './feed.svelte';
import { give, say } from './feedback';
import { toneOf, wordsOf } from './outcome';
import { forgetParent, recallParent, rememberParent, type OpenParent } from './parent';
import { isParentCode, newParent, parentOf, shownCount } from './parent';

/** Packing: every scan is kept on the device first, shown at once, and turns when the server answers. */
export class PackingDesk implements Desk {
	readonly feed: Feed;
	parent = $state.raw<OpenParent | null>(null);
	message = $state<string | null>(null);

	constructor(private readonly outbox: Outbox) {
		this.feed = new Feed(`traitortrack-feed-${outbox.userId}`);
		outbox.watch({ sees: ({ act }) => this.feed.sees(act.id), settled: (verdict) => this.#settle(verdict) });
		this.parent = recallParent(outbox.userId);
		void outbox.list().then((acts) => this.#resume(acts));
		void this.#refreshParent();
	}

	/** Children in the open parent as far as the station knows, scans on their way included. */
	get count(): number {
		return this.parent ? shownCount(this.parent, this.feed.entries) : 0;
	}

	get undoable(): Entry | null {
		const isUndoable = ({ kind, into, outcome, isUndoing }: Entry) =>
			kind === 'scan' && into !== null && !isUndoing && ['linked', 'filled', 'pending'].includes(outcome);
		return this.feed.entries.find(isUndoable) ?? null;
	}

	scan(scanned: string, source: Source): void {
		const code = normalized(scanned);
		if (code === '') return;
		this.message = null;
		const command = commandOf(code);
		if (command) this.#obey(command);
		else if (isParentCode(code)) this.#open(code, source);
		else this.#do({ kind: 'scan', qr_code: code, parent_qr_code: this.parent?.code ?? null, source });
	}

	undo(entry: Entry): void {
		this.message = null;
		this.feed.update(entry.id, { isUndoing: true });
		const shown = this.feed.find(entry.id);
		if (shown) this.feed.latest = shown;
		const { id, code, into } = entry;
		const undo = { kind: 'undo', scan_id: id, qr_code: code, parent_qr_code: into } as const;
		void this.outbox.takeBack(id, undo).then((fate) => {
			if (fate === 'withdrawn') this.#undone(id);
			if (fate === 'lost') this.#fail(m.not_kept());
		});
	}

	moveHere({ code, into }: Entry): void {
		if (into) this.#do({ kind: 'move', qr_code: code, parent_qr_code: into });
	}

	/** Leaves this parent as it is and asks for the next one. */
	next(): void {
		this.message = null;
		this.#setParent(null);
		this.feed.clear();
		give('again');
		say(m.open_parent_first());
	}

	/** Completes the parent early, or opens it again. */
	setStatus(kind: 'complete' | 'reopen'): void {
		if (!this.parent) return this.#fail(m.open_parent_first());
		this.#do({ kind, qr_code: this.parent.code });
		this.#setParent({ ...this.parent, status: kind === 'complete' ? 'completed' : 'open' });
	}

	stop(): void {
		this.outbox.watch(null);
	}

	/** Goes on where the page was left; after a crash the queue knows more than what was remembered. */
	#resume(acts: Act[]): void {
		this.feed.restore(acts);
		const last = acts.findLast((act) => act.kind === 'scan');
		const code = last && (last.parent_qr_code ?? last.qr_code);
		if (!this.parent && code && isParentCode(code)) this.#setParent(newParent(code));
	}

	#obey(command: Command | 'unknown'): void {
		if (command === 'next') return this.next();
		if (command === 'complete') return this.setStatus('complete');
		if (command === 'unknown') return this.#fail(m.unknown_command());
		if (this.undoable) this.undo(this.undoable);
		else this.#fail(m.nothing_to_undo());
	}

	#open(code: string, source: Source): void {
		if (this.parent?.code !== code) this.#setParent(newParent(code));
		this.#do({ kind: 'scan', qr_code: code, parent_qr_code: null, source });
	}

	#do(what: NewAct): void {
		const { act, kept } = this.outbox.add(what);
		this.feed.add(act);
		void kept.then((isKept) => {
			if (!isKept) {
				this.feed.update(act.id, { outcome: 'not_kept' });
				give('bad');
				say(m.not_kept());
			} else if (this.outbox.holdUp !== null) this.#acknowledge(act);
		});
	}

	/** Without a network the device itself says that it has got the scan, and when the parent must be full. */
	#acknowledge(act: Act): void {
		const isFull =
			act.kind === 'scan' && this.parent?.code === act.parent_qr_code && this.count >= this.parent.capacity;
		give(isFull ? 'done' : 'kept');
		if (isFull) say(m.outcome_filled());
		else if (act.kind === 'scan' && act.parent_qr_code) say(String(this.count));
	}

	#settle(verdict: Verdict): void {
		if (verdict.parent) this.#learn(verdict.parent);
		else if (verdict.outcome === 'opened' && verdict.bag) this.#learn(verdict.bag);
		const { act } = verdict;
		if (act.kind === 'undo') this.#settleUndo(act.scan_id, verdict);
		else this.#settleEntry(verdict);
	}

	#settleUndo(scanId: string, { outcome, detail }: Verdict): void {
		if (!isRefusal(outcome)) return this.#undone(scanId);
		this.feed.update(scanId, { isUndoing: false });
		this.#fail(detail ?? m.outcome_refused());
	}

	#undone(id: string): void {
		const entry = this.feed.update(id, { outcome: 'undone', isUndoing: false });
		if (!entry || entry !== this.feed.latest) return;
		give('again');
		say(wordsOf(entry.outcome, entry.elsewhere));
	}

	#settleEntry({ act, outcome: plain, parent, bag, elsewhere }: Verdict): void {
		const isFilled = plain === 'linked' && parent?.status === 'completed';
		const outcome = isFilled ? 'filled' : plain;
		const where = elsewhere ?? (outcome === 'found' ? (bag?.parent ?? null) : null);
		const entry = this.feed.update(act.id, { outcome, elsewhere: where, count: parent?.child_count ?? null });
		if (isRefusal(plain)) this.#stepBack(act);
		if (!entry || !isFresh(entry)) return;
		give(toneOf(outcome));
		say(outcome === 'linked' && entry.count !== null ? String(entry.count) : wordsOf(entry.outcome, entry.elsewhere));
	}

	/** What was shown before the server agreed is put right. */
	#stepBack(act: Act): void {
		const isOpening = act.kind === 'scan' && act.qr_code === this.parent?.code;
		if (isOpening) this.#setParent(null);
		else if (act.kind === 'complete' || act.kind === 'reopen') void this.#refreshParent();
	}

	#fail(message: string): void {
		this.message = message;
		give('bad');
		say(message);
	}

	async #refreshParent(): Promise<void> {
		if (!this.parent) return;
		const path = { qr_code: this.parent.code };
		const answer = await api.GET('/api/v1/bags/{qr_code}', { params: { path } }).catch(() => null);
		if (answer?.data) this.#learn(answer.data);
	}

	/** Takes over what the server says of the open parent. */
	#learn(bag: Schemas['Bag']): void {
		if (this.parent?.code === bag.qr_code) this.#setParent(parentOf(bag));
	}

	#setParent(parent: OpenParent | null): void {
		this.parent = parent;
		if (parent) rememberParent(this.outbox.userId, parent);
		else forgetParent(this.outbox.userId);
	}
}
