// The generated client is in step with openapi.yaml.
import { readFile } from 'node:fs/promises';
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';

const url = new URL('../../openapi.yaml', import.meta.url);
const generated = COMMENT_HEADER + astToString(await openapiTS(url, { silent: true }));
const stored = await readFile(new URL('../src/lib/api/schema.gen.ts', import.meta.url), 'utf8');
if (generated !== stored) {
	console.error('src/lib/api/schema.gen.ts is out of step with openapi.yaml: run `make client`.');
	process.exit(1);
}
console.log('schema.gen.ts is in step with openapi.yaml.');
