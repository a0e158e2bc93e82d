import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal, type QueuedAction, type ActionResult } from '$lib/features/outbox/actions';
import { overwriteGetLocale } from '$lib/paraglide/runtime.js';
import type { Entry } from './feed.svelte';
import { shown, toneOfEntry, wordsOfEntry } from './entry-words';
import { isRefused, OUTCOMES, pastWordsOf, toneOf, wordsOf, type Outcome } from '$lib/outcomes/outcome';
import { LOWER, SIGNALS, type Tone } from '$lib/outcomes/signals';
import { outcomeOf, outcomeOfUndo } from './action-results';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const ALL = Object.keys(OUTCOMES) as Outcome[];
/** What an act that did what it was meant to can end with, and what is shown until then. */
const SUCCESSES = ALL.filter((outcome) => !isRefused(outcome));
const REFUSALS = ALL.filter(isRefused);

/** Every problem code of the API, from the document that the server writes. */
const PROBLEMS = [...read('../../../../../docs/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(
	([, code = '', status]) => ({ code, status: Number(status) })
);
/** Outcomes of the API, from its description. */
const SERVER_OUTCOMES = ['ScanOutcome', 'AddOutcome'].flatMap((name) => {
	const schema = new RegExp(`\\n    ${name}:\\n(?: {6}.*\\n)+`).exec(read('../../../../../openapi.yaml'))?.[0] ?? '';
	return [...schema.matchAll(/^ {6}- (\w+)$/gm)].map(([, outcome = '']) => outcome);
});

const LOCALES = ['en', 'hi'] as const;
const DEVANAGARI = /\p{Script=Devanagari}/u;
/** A word of English; codes of bags are in capitals. */
const ENGLISH = /[a-z]{2}/;

function inLocale<T>(locale: 'en' | 'hi', work: () => T): T {
	overwriteGetLocale(() => locale);
	try {
		return work();
	} finally {
		overwriteGetLocale(() => 'en');
	}
}

const entry = (outcome: string, change: Partial<Entry> = {}): Entry => ({
	id: 'id',
	kind: 'scan',
	code: 'CB-1',
	into: 'SB12345',
	outcome,
	elsewhere: null,
	warning: null,
	count: null,
	at: 0,
	isUndoing: false,
	before: null,
	fills: false,
	isUnsorted: false,
	...change
});

const result = (
	outcome: string,
	change: Partial<ActionResult> = {},
	act: Partial<QueuedAction> = {}
): ActionResult => ({
	act: { kind: 'scan', qr_code: 'CB-1', parent_qr_code: 'SB12345', source: 'wedge', ...act } as QueuedAction,
	outcome,
	bag: null,
	parent: null,
	elsewhere: null,
	bill: null,
	warning: null,
	...change
});

describe('every outcome of the API', () => {
	it('has a row of its own', () => {
		expect(SERVER_OUTCOMES.length).toBeGreaterThan(20);
		for (const outcome of SERVER_OUTCOMES) expect(ALL, outcome).toContain(outcome);
	});

	it('is a refusal on the screen when, and only when, it is one for the queue', () => {
		for (const outcome of SERVER_OUTCOMES) expect(isRefused(outcome), outcome).toBe(isRefusal(outcome));
		for (const outcome of ['moved', 'completed', 'reopened', 'removed', 'undone', 'nothing_undone'])
			expect([isRefused(outcome), isRefusal(outcome)], outcome).toEqual([false, false]);
	});
});

describe('a refusal', () => {
	const anyRefusal = fc.oneof(
		fc.constantFrom(...REFUSALS),
		fc.constantFrom(...PROBLEMS.map(({ code }) => code)).filter(isRefusal),
		// A code that a later version of the server has.
		fc.stringMatching(/^[a-z_]{1,30}$/).filter((code) => isRefusal(code) && !ALL.includes(code as Outcome))
	);
	const anySuccess = fc.constantFrom(...SUCCESSES);

	it('shares no icon, vibration, melody or note with anything that is none', () => {
		fc.assert(
			fc.property(anyRefusal, anySuccess, fc.boolean(), (refusal, success, isLow) => {
				const [bad, good] = [SIGNALS[toneOf(refusal)], SIGNALS[toneOf(success)]];
				expect(bad.icon).not.toBe(good.icon);
				expect(bad.melody).not.toBeNull();
				expect(bad.vibration.length).toBeGreaterThan(0);
				expect(bad.vibration).not.toEqual(good.vibration);
				const pitch = (hertz: number) => (isLow ? hertz * LOWER : hertz);
				const notes = (tone: typeof bad) => (tone.melody?.notes ?? []).map(([hertz]) => pitch(hertz));
				// More than half an octave below: told apart by ears that have heard many machines.
				for (const low of notes(bad)) for (const high of notes(good)) expect(high / low).toBeGreaterThan(1.41);
			}),
			{ numRuns: 2_000 }
		);
	});

	it('shares no colour with anything that is none, in any theme', () => {
		for (const [theme, colours] of themes())
			fc.assert(
				fc.property(anyRefusal, anySuccess, (refusal, success) => {
					expect(colours[toneOf(refusal)], theme).toBeDefined();
					expect(colours[toneOf(refusal)], theme).not.toBe(colours[toneOf(success)]);
				})
			);
	});

	it('shares no words with anything that is none', () => {
		for (const locale of LOCALES)
			inLocale(locale, () => {
				const good = new Set(SUCCESSES.filter((one) => one !== 'nothing_undone').map((one) => wordsOf(one, null)));
				for (const refusal of REFUSALS) expect(good.has(wordsOf(refusal, null)), refusal).toBe(false);
			});
	});

	it('stays one whatever it is the answer to', () => {
		const anyAct = fc.constantFrom<Partial<QueuedAction>>(
			{},
			{ shown_as: 'looks_like_parent' },
			{ shown_as: 'no_parent_open', parent_qr_code: null },
			{ kind: 'move' },
			{ kind: 'bill_add', bill_number: 'BILL-1' }
		);
		fc.assert(
			fc.property(anyRefusal, anyAct, fc.boolean(), (refusal, act, isBlocked) => {
				const outcome = outcomeOf(result(refusal, {}, act));
				expect(isRefused(outcome)).toBe(true);
				expect(isRefused(shown(entry(outcome), isBlocked).outcome)).toBe(true);
				expect(isRefused(outcomeOfUndo(refusal, entry('linked')))).toBe(true);
			})
		);
	});
});

it('a bag that was added with a warning is heard as another success', () => {
	expect(toneOfEntry(entry('added'))).toBe('ok');
	expect(toneOfEntry(entry('added', { warning: 'parent_open' }))).toBe('again');
	expect(toneOfEntry(entry('already_billed', { warning: 'parent_open' }))).toBe('warn');
});

describe('the fanfare', () => {
	it('belongs to the last child that was accepted alone', () => {
		expect(ALL.filter((outcome) => toneOf(outcome) === 'done')).toEqual(['filled']);
		const parent = (status: string) => ({ status }) as ActionResult['parent'];
		expect(outcomeOf(result('linked', { parent: parent('completed') }))).toBe('filled');
		expect(outcomeOf(result('linked', { parent: parent('open') }))).toBe('linked');
		for (const outcome of ALL.filter((one) => one !== 'linked' && one !== 'filled'))
			expect(toneOf(outcomeOf(result(outcome, { parent: parent('completed') }))), outcome).not.toBe('done');
	});

	it('comes without a network when the device knows it to be the last, and not for one more', () => {
		expect(shown(entry('pending', { fills: true }), true).outcome).toBe('filled');
		expect(shown(entry('pending'), true).outcome).toBe('kept');
		expect(shown(entry('parent_full', { fills: true }), true).outcome).toBe('parent_full');
	});
});

describe('an undo', () => {
	it('that found nothing to undo is refused when the child is in the parent all the same', () => {
		expect(outcomeOfUndo('nothing_undone', entry('linked'))).toBe('nothing_to_undo');
		expect(outcomeOfUndo('nothing_undone', entry('already_linked'))).toBe('nothing_to_undo');
		expect(outcomeOfUndo('nothing_undone', entry('linked_elsewhere'))).toBe('nothing_undone');
		expect(outcomeOfUndo('nothing_undone', undefined)).toBe('nothing_undone');
	});
});

describe('the words', () => {
	/** Problems that say nothing about the act (the queue waits), and those of other parts of the API. */
	const isNotOfStation = ({ code, status }: { code: string; status: number }) =>
		status === 401 ||
		(status === 403 && code !== 'forbidden') ||
		[408, 423, 425, 429].includes(status) ||
		status >= 500 ||
		/^(import_|promotion_|two_factor_|bag_format_|dispatch_area_|api_key_|session_|user|email_|audit_)/.test(code) ||
		OTHERS.has(code);
	const OTHERS = new Set([
		'malformed_multipart',
		'invalid_query',
		'invalid_cursor',
		'invalid_consistency_token',
		'invalid_if_match',
		'too_many_rows',
		'weak_password',
		'invalid_reset_token',
		'bag_exists',
		'bag_in_use',
		'bill_exists',
		'bill_not_completed',
		'empty_bill',
		'request_in_progress',
		'last_admin',
		'own_role',
		'role_not_higher'
	]);
	const reaching = PROBLEMS.filter((problem) => !isNotOfStation(problem)).map(({ code }) => code);

	it('of every problem that can reach the station are its own', () => {
		expect(reaching.length).toBeGreaterThan(25);
		for (const code of reaching) expect(ALL, `${code} of docs/errors.md`).toContain(code);
	});

	it.each(LOCALES)('are in the language of the person: %s', (locale) => {
		inLocale(locale, () => {
			for (const code of [...ALL, ...PROBLEMS.map((one) => one.code), 'a_code_of_tomorrow', 'constructor'])
				for (const words of [
					wordsOf(code, 'SB1'),
					wordsOf(code, null),
					pastWordsOf(code, null),
					wordsOfEntry(entry(code)),
					wordsOfEntry(entry(code, { kind: 'undo' })),
					wordsOfEntry(entry(code, { kind: 'bill_remove' }))
				]) {
					expect(words.trim(), code).not.toBe('');
					if (locale === 'hi') expect(words, code).toMatch(DEVANAGARI);
					if (locale === 'hi') expect(words, code).not.toMatch(ENGLISH);
				}
		});
	});
});

/** What each tone is coloured with, theme by theme: the tokens that `tones.css` names, with the values of that theme. */
function themes(): [string, Partial<Record<Tone, string>>][] {
	const tokens = read('../../styles/tokens.css');
	const tones = read('../../styles/tones.css').split('@supports')[0] ?? '';
	const block = (selector: string) => {
		const from = tokens.indexOf(`${selector} {`);
		expect(from, selector).toBeGreaterThanOrEqual(0);
		const body = tokens.slice(from, tokens.indexOf('}', from));
		const values = [...body.matchAll(/(--[\w-]+): ([^;]+);/g)].map(([, name = '', value = '']) => [name, value]);
		return Object.fromEntries(values) as Record<string, string>;
	};
	const light = block(':root');
	const dark = block(":root[data-theme='dark']");
	const high = block(":root[data-contrast='high']");
	const darkHigh = block(":root[data-theme='dark'][data-contrast='high']");
	const named = Object.fromEntries(
		[...tones.matchAll(/((?:\.tone-\w+,?\s*)+)\{\s*--tone: var\((--[\w-]+)\)/g)].flatMap(([, selectors = '', token]) =>
			[...selectors.matchAll(/\.tone-(\w+)/g)].map(([, tone]) => [tone, token])
		)
	) as Record<Tone, string>;
	return Object.entries({
		light,
		dark: { ...light, ...dark },
		'high contrast': { ...light, ...high },
		'dark, high contrast': { ...light, ...dark, ...high, ...darkHigh }
	}).map(([theme, values]) => [
		theme,
		Object.fromEntries(Object.entries(named).map(([tone, token]) => [tone, values[token]]))
	]);
}
