/** What can be told of a device from what its browser calls itself. */
export interface Device {
	browser: string | null;
	system: string | null;
	isPhone: boolean;
}

/** In this order: Edge, Opera and Samsung's browser call themselves Chrome too, and Chrome calls itself Safari. */
const BROWSERS: [RegExp, string][] = [
	[/\bEdg(?:e|A|iOS)?\//, 'Edge'],
	[/\bOPR\//, 'Opera'],
	[/\bSamsungBrowser\//, 'Samsung Internet'],
	[/\b(?:Firefox|FxiOS)\//, 'Firefox'],
	[/\b(?:Chrome|CriOS|HeadlessChrome)\//, 'Chrome'],
	[/\bSafari\//, 'Safari'],
	[/^curl\//, 'curl']
];

/** Android calls itself Linux too, and an iPhone "like Mac OS X". */
const SYSTEMS: [RegExp, string][] = [
	[/\bAndroid\b/, 'Android'],
	[/\biPhone\b/, 'iPhone'],
	[/\biPad\b/, 'iPad'],
	[/\bWindows\b/, 'Windows'],
	[/\bCrOS\b/, 'ChromeOS'],
	[/\bMac OS X\b|\bMacintosh\b/, 'Mac'],
	[/\bLinux\b/, 'Linux']
];

/** Reads a user agent. */
export function deviceOf(userAgent: string): Device {
	const nameIn = (names: [RegExp, string][]) => names.find(([pattern]) => pattern.test(userAgent))?.[1] ?? null;
	const system = nameIn(SYSTEMS);
	return { browser: nameIn(BROWSERS), system, isPhone: /\bMobile\b/.test(userAgent) || system === 'iPhone' };
}
