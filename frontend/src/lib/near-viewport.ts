import type { Attachment } from 'svelte/attachments';

/** How far off the screen something is near. */
const NEAR = '100px';

/** Calls `come` once, when somebody scrolls near the element. */
export function nearViewport(come: () => void): Attachment {
	return (element) => {
		const watch = new IntersectionObserver(
			(seen) => {
				if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
				watch.disconnect();
				come();
			},
			{ rootMargin: NEAR }
		);
		watch.observe(element);
		return () => watch.disconnect();
	};
}
