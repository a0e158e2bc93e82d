import { expect, it } from 'vitest';
import { dayParams, downloadParams, rangeParams, reportIn, reportsFor } from './reports';

const params = (text: string) => new URLSearchParams(text);

it('reads the report and its parameters from an address, and leaves out what makes no sense', () => {
	expect(reportIn(params('report=bill-summary'))).toBe('bill-summary');
	expect(reportIn(params('report=nonsense'))).toBe('daily-scans');
	expect(dayParams(params('date=2026-11-24&user_id=7'))).toEqual({ date: '2026-11-24', user_id: 7 });
	expect(dayParams(params('date=yesterday&user_id=-1'))).toEqual({});
	expect(rangeParams(params('from=2026-11-01&to=2026-11-24'))).toEqual({ from: '2026-11-01', to: '2026-11-24' });
	expect(rangeParams(params('to=2026-11-30'))).toEqual({ from: '2026-11-01', to: '2026-11-30' });
});

it('asks a download for the same as the page', () => {
	const query = params('date=2026-11-24&user_id=7&from=2026-11-01&to=2026-11-24');
	expect(downloadParams('daily-scans', query)).toEqual({ date: '2026-11-24', user_id: 7 });
	expect(downloadParams('dispatch-area', query)).toEqual({ date: '2026-11-24' });
	expect(downloadParams('user-activity', query)).toEqual({ from: '2026-11-01', to: '2026-11-24' });
});

it('gives packers only the report of their own scans', () => {
	expect(reportsFor('dispatcher')).toEqual(['daily-scans']);
	expect(reportsFor('biller')).toHaveLength(5);
	expect(reportsFor(undefined)).toEqual(['daily-scans']);
});
