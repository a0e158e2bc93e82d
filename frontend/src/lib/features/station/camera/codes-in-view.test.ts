import { describe, expect, it } from 'vitest';
import { CodesInView } from './codes-in-view';

describe('CodesInView', () => {
	it('gives a code once while it stays in the picture', () => {
		const view = new CodesInView();
		expect(view.look(['CB-1'], 0)).toEqual(['CB-1']);
		for (let at = 100; at < 10_000; at += 100) expect(view.look(['CB-1'], at)).toEqual([]);
	});

	it('forgives pictures in which it was not read', () => {
		const view = new CodesInView();
		view.look(['CB-1'], 0);
		view.look([], 900);
		expect(view.look(['CB-1'], 1_900)).toEqual([]);
	});

	it('gives it again after it was gone', () => {
		const view = new CodesInView();
		view.look(['CB-1'], 0);
		view.look([], 1_500);
		expect(view.look(['CB-1'], 2_100)).toEqual(['CB-1']);
	});

	it('gives each of several codes', () => {
		const view = new CodesInView();
		expect(view.look(['CB-1', 'CB-2', 'CB-1'], 0)).toEqual(['CB-1', 'CB-2']);
		expect(view.look(['CB-2', 'CB-3'], 100)).toEqual(['CB-3']);
	});
});
