import { describe, expect, it } from 'vitest';
import { deviceOf } from './device';

describe('deviceOf', () => {
	it('tells browsers that call themselves like others', () => {
		const chrome =
			'Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36';
		expect(deviceOf(chrome)).toEqual({ browser: 'Chrome', system: 'Android', isPhone: true });
		expect(deviceOf(chrome.replace('Mobile', 'SamsungBrowser/28.0 Mobile')).browser).toBe('Samsung Internet');
		expect(
			deviceOf(
				'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0'
			)
		).toEqual({ browser: 'Edge', system: 'Windows', isPhone: false });
		expect(
			deviceOf(
				'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
			)
		).toEqual({ browser: 'Safari', system: 'iPhone', isPhone: true });
		expect(deviceOf('Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0')).toEqual({
			browser: 'Firefox',
			system: 'Linux',
			isPhone: false
		});
	});

	it('says nothing where nothing is known', () => {
		expect(deviceOf('scanner-terminal/2.1')).toEqual({ browser: null, system: null, isPhone: false });
	});
});
