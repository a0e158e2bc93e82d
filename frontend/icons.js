/** Where Lucide keeps a component for each of its icons. */
const ICON = /\/@lucide\/svelte\/dist\/icons\/[^/]+\.svelte$/;

/**
 * Makes Lucide's icons of fixed markup. As they come, each builds its drawing from a list of shapes whenever it is shown,
 * which was a quarter of the time that a cheap phone took to draw a page. An icon takes the properties that
 * are written below, and no other.
 *
 * @type {import('svelte/compiler').PreprocessorGroup}
 */
export const fixedIcons = {
	name: 'fixed-icons',
	markup({ content, filename }) {
		if (!filename || !ICON.test(filename)) return;
		const data = /const iconData = (\{.*\});/.exec(content)?.[1];
		if (!data) throw new Error(`${filename} is not written as Lucide's icons were: look at icons.js`);
		const { size, node } = /** @type {{ size: number, node: Shape[] }} */ (JSON.parse(data));
		return { code: iconOf(size, node.map(markupOf).join('')) };
	}
};

/** @typedef {[tag: string, attributes: Record<string, string | number>]} Shape */

function markupOf(/** @type {Shape} */ [tag, attributes]) {
	const words = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
	return `<${tag}${words.join('')} />`;
}

/** An icon without words of its own says nothing to a screen reader, as Lucide has it. */
function iconOf(/** @type {number} */ size, /** @type {string} */ shapes) {
	return `<script>
	let {
		size = ${size}, strokeWidth = 2, color = 'currentColor', class: className, role,
		'aria-label': label, 'aria-hidden': hidden = label === undefined && role === undefined ? 'true' : undefined
	} = $props();
</script>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" fill="none" stroke-linecap="round" stroke-linejoin="round"
	width={size} height={size} stroke={color} stroke-width={strokeWidth} class={className} {role} aria-label={label}
	aria-hidden={hidden}>${shapes}</svg>
`;
}
