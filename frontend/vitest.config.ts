import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Logic only: without the app's plugins, whose watchers would keep the run from ending.
export default defineConfig({
	resolve: {
		alias: {
			$lib: fileURLToPath(new URL('./src/lib', import.meta.url)),
			'$app/paths': fileURLToPath(new URL('./scripts/app-paths.stub.js', import.meta.url))
		}
	},
	test: { include: ['src/**/*.test.ts'], environment: 'node' }
});
