const KEY = 'traitortrack-station';

/** What a packer can set, remembered on the device. */
export interface StationSettings {
	sound: boolean;
	/** 0 to 1. */
	volume: number;
	/** Lower notes carry further for ears that have heard many machines. */
	lowTones: boolean;
	vibration: boolean;
	speech: boolean;
	/** The camera opens with the station. */
	camera: boolean;
	keepAwake: boolean;
	bigText: boolean;
	/** The buttons stand on the left. */
	leftHanded: boolean;
}

const DEFAULTS: StationSettings = {
	sound: true,
	volume: 0.7,
	lowTones: false,
	vibration: true,
	speech: false,
	camera: false,
	keepAwake: true,
	bigText: false,
	leftHanded: false
};

function stored(): StationSettings {
	try {
		return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<StationSettings>) };
	} catch {
		return { ...DEFAULTS };
	}
}

export const settings: StationSettings = $state(stored());

export function change<K extends keyof StationSettings>(name: K, value: StationSettings[K]): void {
	settings[name] = value;
	localStorage.setItem(KEY, JSON.stringify(settings));
}
