import { m } from '$lib/paraglide/messages.js';

/** Tracks of phones can do this; the standard types don't know it. */
interface TorchCapabilities {
	torch?: boolean;
}

/** The camera at the back, if there are several. */
export function openCamera(): Promise<MediaStream> {
	if (!navigator.mediaDevices) return Promise.reject(new DOMException('', 'SecurityError'));
	return navigator.mediaDevices.getUserMedia({
		audio: false,
		video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 720 } }
	});
}

/** Why there is no picture, in a sentence that says what to do. */
export function whyNot(error: unknown): string {
	const name = error instanceof DOMException ? error.name : '';
	if (!window.isSecureContext) return m.camera_insecure();
	if (name === 'NotAllowedError' || name === 'SecurityError') return m.camera_denied();
	if (name === 'NotFoundError' || name === 'OverconstrainedError') return m.camera_missing();
	return m.camera_busy();
}

export function hasTorch(stream: MediaStream): boolean {
	const capabilities = stream.getVideoTracks()[0]?.getCapabilities?.() as TorchCapabilities | undefined;
	return capabilities?.torch === true;
}

/** Switches the light; false when the phone would not. */
export function setTorch(stream: MediaStream, isOn: boolean): Promise<boolean> {
	const constraints = { advanced: [{ torch: isOn } as MediaTrackConstraintSet] };
	const done = stream.getVideoTracks()[0]?.applyConstraints(constraints) ?? Promise.reject(new Error('no track'));
	return done.then(
		() => true,
		() => false
	);
}
