import { m } from '$lib/paraglide/messages.js';

/** What a key can be let into: the resource as scopes name it, whether anything of it can be changed, and a call to try. */
interface Resource {
	name: string;
	label: () => string;
	explained: () => string;
	isWritable: boolean;
	/** A GET that every key with the read scope may do. */
	example: string;
}

export const RESOURCES: Resource[] = [
	{ name: 'bags', label: m.nav_bags, explained: m.keys_of_bags, isWritable: true, example: '/bags?limit=5' },
	{ name: 'scans', label: m.nav_scans, explained: m.keys_of_scans, isWritable: true, example: '/scans?limit=5' },
	{ name: 'bills', label: m.nav_bills, explained: m.keys_of_bills, isWritable: true, example: '/bills?limit=5' },
	{ name: 'stats', label: m.nav_dashboard, explained: m.keys_of_stats, isWritable: false, example: '/stats' },
	{
		name: 'reports',
		label: m.nav_reports,
		explained: m.keys_of_reports,
		isWritable: false,
		example: '/reports/dispatch-area'
	},
	{
		name: 'exports',
		label: m.nav_exports,
		explained: m.keys_of_exports,
		isWritable: false,
		example: '/exports/bags?format=csv'
	},
	{ name: 'imports', label: m.nav_imports, explained: m.keys_of_imports, isWritable: true, example: '/imports' },
	{ name: 'search', label: m.keys_search, explained: m.keys_of_search, isWritable: false, example: '/search?q=SB' },
	{ name: 'events', label: m.keys_events, explained: m.keys_of_events, isWritable: false, example: '/events' },
	{
		name: 'notifications',
		label: m.nav_notifications,
		explained: m.keys_of_notifications,
		isWritable: true,
		example: '/notifications'
	},
	{ name: 'users', label: m.nav_users, explained: m.keys_of_users, isWritable: true, example: '/users?limit=5' },
	{
		name: 'dispatch-areas',
		label: m.nav_areas,
		explained: m.keys_of_areas,
		isWritable: true,
		example: '/dispatch-areas'
	},
	{
		name: 'bag-formats',
		label: m.nav_formats,
		explained: m.keys_of_formats,
		isWritable: true,
		example: '/bag-formats'
	},
	{
		name: 'audit-logs',
		label: m.nav_audit_log,
		explained: m.keys_of_audit,
		isWritable: false,
		example: '/audit-logs?limit=5'
	}
];

/** Sets of scopes that houses often want. */
export const PRESETS: { label: () => string; scopes: string[] }[] = [
	{ label: m.keys_preset_scanner, scopes: ['scans:write', 'bags:read'] },
	{ label: m.keys_preset_billing, scopes: ['bags:read', 'bills:read', 'bills:write'] },
	{
		label: m.keys_preset_figures,
		scopes: ['stats:read', 'reports:read', 'exports:read', 'bags:read', 'bills:read', 'scans:read']
	}
];

/** Resources that open much when they are written to: said with a warning. */
const POWERFUL = ['users:write', 'bag-formats:write', 'dispatch-areas:write', 'imports:write'];

export function isPowerful(scopes: string[]): boolean {
	return scopes.some((scope) => POWERFUL.includes(scope));
}

/** A scope in words, as "Bags: read". */
export function scopeWords(scope: string): string {
	const [resource = '', access] = scope.split(':');
	const label = RESOURCES.find(({ name }) => name === resource)?.label() ?? resource;
	return access === 'write' ? m.keys_scope_write({ resource: label }) : m.keys_scope_read({ resource: label });
}

/** A command that tries a key with one of its scopes. */
export function curlExample(base: string, key: string, scopes: string[]): string {
	const authorization = `-H 'Authorization: Bearer ${key}'`;
	const readable = RESOURCES.find(({ name }) => scopes.includes(`${name}:read`));
	if (readable) return `curl ${authorization} \\\n  '${base}/api/v1${readable.example}'`;
	if (scopes.includes('scans:write'))
		return `curl ${authorization} -H 'Content-Type: application/json' \\\n  -d '{"qr_code": "SB12345"}' \\\n  '${base}/api/v1/scans'`;
	const resource = scopes[0]?.split(':')[0] ?? 'bags';
	return `curl ${authorization} \\\n  -X POST '${base}/api/v1/${resource}'`;
}
