import { describe, expect, it } from 'vitest';
import { noteServerDate, serverNow } from './clock';
import { uuidv7 } from './uuidv7';

describe('uuidv7', () => {
	it('has version, variant and the time', () => {
		const id = uuidv7(0x0123456789ab * 10);
		expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
		expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(0x0123456789ab * 10);
	});

	it('keeps order within a millisecond and when the clock goes back', () => {
		const now = 0x0123456789ab * 11;
		const ids = Array.from({ length: 10_000 }, (_, n) => uuidv7(now - (n % 3)));
		expect([...ids].sort()).toEqual(ids);
		expect(new Set(ids).size).toBe(ids.length);
	});
});

describe('uuidv7 after the clock was corrected', () => {
	it('follows a clock that went far back, for ids from the future would be refused', () => {
		const now = 0x0123456789ab * 12;
		uuidv7(now + 86_400_000);
		const id = uuidv7(now);
		expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(now);
	});
});

describe('clock', () => {
	it('corrects a device that is far off, and leaves one that is not', () => {
		noteServerDate('Mon, 23 Nov 2026 10:00:00 GMT', Date.parse('2026-11-20T10:00:00Z'));
		expect(serverNow(Date.parse('2026-11-20T10:00:01Z'))).toBe(Date.parse('2026-11-23T10:00:01Z'));
		noteServerDate('Mon, 23 Nov 2026 10:00:00 GMT', Date.parse('2026-11-23T10:00:02Z'));
		expect(serverNow(5)).toBe(5);
		noteServerDate('nonsense');
		noteServerDate(null);
		expect(serverNow(5)).toBe(5);
	});
});
