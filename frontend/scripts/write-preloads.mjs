// Tells the server which files each page needs besides those its HTML names, so that it can announce them with the page:
// the browser asks for all of them at once instead of learning of them one after the other.
import { writeFile } from 'node:fs/promises';
import { isInPage, output, page, routes } from './built-routes.mjs';

const missing = (/** @type {string[]} */ files) => files.filter((file) => !isInPage(file));
/** Nothing is shown before the style sheets of the HTML are there: they are asked for first. */
const firstStyles = [...page.matchAll(/<link [^>]*rel="stylesheet"[^>]*>/g)].map(
	([link]) => /href="\/([^"]+)"/.exec(link)?.[1] ?? ''
);
const preloads = routes.map(({ route, scripts, styles }) => ({
	route,
	scripts: missing(scripts),
	styles: [...firstStyles, ...missing(styles)]
}));
await writeFile(new URL('preloads.json', output), JSON.stringify(preloads));
