import { serverNow } from './clock';

/** A clock that went back by more was corrected, and is followed: ids from a wrong future would be refused. */
const CORRECTION_MS = 60_000;

let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then a 12-bit counter so that ids of one millisecond
 * keep their order (6.2, method 1), then random bits.
 */
export function uuidv7(now = serverNow()): string {
	if (now > lastMs || lastMs - now > CORRECTION_MS) {
		lastMs = now;
		counter = (crypto.getRandomValues(new Uint16Array(1))[0] ?? 0) & 0x7ff;
	} else {
		counter += 1;
		if (counter > 0xfff) {
			lastMs += 1;
			counter = 0;
		}
	}
	const random = crypto.getRandomValues(new Uint8Array(8));
	random[0] = 0x80 | ((random[0] ?? 0) & 0x3f);
	const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
	const time = hex(lastMs, 12);
	const tail = Array.from(random, (byte) => hex(byte, 2)).join('');
	return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(counter, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}
