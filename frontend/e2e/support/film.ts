import { writeFile } from 'node:fs/promises';
import { encode } from 'uqr';

const WIDTH = 640;
const HEIGHT = 480;
const DOT = 10;

/** Writes a film for Chromium's fake camera: each code is in the picture for a while, with nothing in between. */
export async function film(path: string, codes: string[], framesEach: number, framesBetween: number): Promise<void> {
	const empty = frame(null);
	const frames = codes.flatMap((code) => {
		const picture = frame(code);
		return [...Array<Buffer>(framesEach).fill(picture), ...Array<Buffer>(framesBetween).fill(empty)];
	});
	const header = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`);
	await writeFile(path, Buffer.concat([header, ...frames]));
}

/** One picture: a QR code in the middle of white paper. */
function frame(code: string | null): Buffer {
	const luma = Buffer.alloc(WIDTH * HEIGHT, 235);
	if (code) {
		const { size, data } = encode(code, { ecc: 'M', border: 2 });
		const [left, top] = [(WIDTH - size * DOT) >> 1, (HEIGHT - size * DOT) >> 1];
		for (let y = 0; y < size * DOT; y += 1)
			for (let x = 0; x < size * DOT; x += 1)
				if (data[Math.floor(y / DOT)]?.[Math.floor(x / DOT)]) luma[(top + y) * WIDTH + left + x] = 16;
	}
	const grey = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);
	return Buffer.concat([Buffer.from('FRAME\n'), luma, grey]);
}
