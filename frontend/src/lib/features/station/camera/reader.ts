/** Reads the codes in a picture. */
export type CodeReader = (video: HTMLVideoElement) => Promise<string[]>;

interface NativeDetector {
	detect(source: CanvasImageSource): Promise<{ rawValue: string }[]>;
}

interface NativeDetectorClass {
	new (options: { formats: string[] }): NativeDetector;
	getSupportedFormats(): Promise<string[]>;
}

const FORMATS = ['qr_code', 'code_128', 'code_39', 'ean_13', 'data_matrix'];
/** Wider pictures cost time and are read no better. */
const WIDTH = 960;

/** The browser's own reader where it can read what is on bags; otherwise ours, loaded now. */
export async function codeReader(): Promise<CodeReader> {
	const Native = (globalThis as { BarcodeDetector?: NativeDetectorClass }).BarcodeDetector;
	const known = (await Native?.getSupportedFormats().catch(() => [])) ?? [];
	if (!Native || !known.includes('qr_code')) return wasmReader();
	const detector = new Native({ formats: FORMATS.filter((format) => known.includes(format)) });
	return async (video) => (await detector.detect(video)).map(({ rawValue }) => rawValue);
}

/** ZXing as WebAssembly, from our own files. */
async function wasmReader(): Promise<CodeReader> {
	const [{ prepareZXingModule, readBarcodes }, { default: wasm }] = await Promise.all([
		import('zxing-wasm/reader'),
		import('zxing-wasm/reader/zxing_reader.wasm?url')
	]);
	await prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true });
	const canvas = document.createElement('canvas');
	const context = canvas.getContext('2d', { willReadFrequently: true });
	if (!context) throw new Error('no canvas');
	return async (video) => {
		const scale = Math.min(1, WIDTH / video.videoWidth);
		canvas.width = Math.round(video.videoWidth * scale);
		canvas.height = Math.round(video.videoHeight * scale);
		context.drawImage(video, 0, 0, canvas.width, canvas.height);
		const found = await readBarcodes(context.getImageData(0, 0, canvas.width, canvas.height), {
			formats: ['QRCode', 'Code128', 'Code39', 'EAN13', 'DataMatrix'],
			maxNumberOfSymbols: 4
		});
		return found.filter(({ isValid }) => isValid).map(({ text }) => text);
	};
}
