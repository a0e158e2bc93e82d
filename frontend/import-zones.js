/**
 * Which part of the web app may import which: pages use the shell and features; both of these use components; everything
 * uses the library. Nothing goes the other way, so that each part can be used by every part above it.
 */
const BELOW = {
	routes: ['routes', 'shell', 'feature', 'components', 'lib'],
	shell: ['shell', 'components', 'lib'],
	feature: ['feature', 'components', 'lib'],
	components: ['components', 'lib'],
	lib: ['lib']
};

/**
 * What a feature may use of other features, with the reason. There is no cycle, or a test fails.
 *
 * @type {Record<string, Record<string, string>>}
 */
export const ALLOWED = {
	audit: {
		formats: 'names the kinds of bags in changes of bag formats as the formats page does',
		users: 'shows the names of people instead of their numbers'
	},
	bills: {
		outbox: 'bags that are scanned onto a bill are stored on the device before they are sent',
		station: 'scanner and tones are those of the scan station'
	},
	overview: {
		reports: 'shows figures of reports'
	},
	station: {
		outbox: 'what is scanned is stored on the device before it is sent'
	}
};

/** @typedef {{ name: 'routes' | 'shell' | 'components' | 'lib' | 'feature', feature?: string }} Zone */

/**
 * The zone of a file, given by its path below `src/`; null for files of no zone, as the service worker and tests.
 *
 * @param {string} path
 * @returns {Zone | null}
 */
export function zoneOf(path) {
	const [top, second, third] = path.split('/');
	if (top === 'routes') return { name: 'routes' };
	if (top !== 'lib') return null;
	if (second === 'features' && third) return { name: 'feature', feature: third };
	if (second === 'components' || second === 'shell') return { name: second };
	return { name: 'lib' };
}

/**
 * Why a file of one zone may not import from another; null where it may.
 *
 * @param {Zone} from
 * @param {Zone} to
 * @returns {string | null}
 */
export function refusalOf(from, to) {
	if (!BELOW[from.name].includes(to.name)) return `${from.name} must not import ${to.name}: see import-zones.js`;
	if (from.feature === undefined || to.feature === undefined || from.feature === to.feature) return null;
	if (ALLOWED[from.feature]?.[to.feature] !== undefined) return null;
	return `feature ${from.feature} may not import feature ${to.feature}: see import-zones.js`;
}

/**
 * The path below `src/` that an import leads to; null for a package.
 *
 * @param {string} importer path below `src/`
 * @param {string} source
 * @returns {string | null}
 */
export function resolved(importer, source) {
	if (source.startsWith('$lib/')) return `lib/${source.slice('$lib/'.length)}`;
	if (!source.startsWith('.')) return null;
	return new URL(source, `file:///${importer}`).pathname.slice(1);
}

/** @type {import('eslint').Rule.RuleModule} */
const zones = {
	meta: { type: 'problem', schema: [], docs: { description: 'Imports go one way: see import-zones.js' } },
	create(context) {
		const [, importer] = /^(?:.*\/)?src\/(.*)$/.exec(context.filename.replaceAll('\\', '/')) ?? [];
		const from = importer === undefined ? null : zoneOf(importer);
		if (!from || importer === undefined) return {};
		/** @param {{ source?: unknown, argument?: unknown }} node */
		const check = (node) => {
			const source = textOf(node.source ?? node.argument);
			const path = source === null ? null : resolved(importer, source);
			const to = path === null ? null : zoneOf(path);
			const message = to && refusalOf(from, to);
			if (message) context.report({ node: /** @type {import('estree').Node} */ (node), message });
		};
		return {
			ImportDeclaration: check,
			ExportNamedDeclaration: check,
			ExportAllDeclaration: check,
			ImportExpression: check,
			TSImportType: check
		};
	}
};

/** @returns {string | null} */
function textOf(/** @type {unknown} */ node) {
	if (typeof node !== 'object' || node === null) return null;
	// In older trees the text of `import('…')` in a type is wrapped once more.
	if ('literal' in node) return textOf(node.literal);
	return 'value' in node && typeof node.value === 'string' ? node.value : null;
}

/** The rule as a plugin of ESLint. */
export const importZones = { rules: { zones } };
