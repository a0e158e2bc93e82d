import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import { importZones } from './import-zones.js';
import svelteConfig from './svelte.config.js';

export default ts.config(
	{
		ignores: [
			'build/',
			'dist/',
			'.svelte-kit/',
			'node_modules/',
			'test-results/',
			'src/lib/paraglide/',
			'src/lib/api/schema.gen.ts',
			'project.inlang/cache/'
		]
	},
	js.configs.recommended,
	...ts.configs.strict,
	...ts.configs.recommendedTypeChecked,
	...svelte.configs.recommended,
	prettier,
	...svelte.configs.prettier,
	{
		languageOptions: {
			globals: { ...globals.browser, ...globals.node },
			parserOptions: {
				project: './tsconfig.eslint.json',
				tsconfigRootDir: import.meta.dirname,
				extraFileExtensions: ['.svelte']
			}
		},
		rules: {
			'no-undef': 'off',
			'no-console': 'error'
		}
	},
	{
		files: ['src/**'],
		plugins: { 'import-zones': importZones },
		rules: { 'import-zones/zones': 'error' }
	},
	{
		files: ['**/*.svelte', '**/*.svelte.ts'],
		languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } }
	},
	{
		// A worker has other globals than a page, so it is a program of its own.
		files: ['src/service-worker.ts'],
		languageOptions: { parserOptions: { project: './tsconfig.worker.json' } }
	},
	{
		// ESLint sees the parameters of snippets, and what it imports from components, as `any`. `npm run check` knows their
		// types, and checks them.
		files: ['**/*.svelte'],
		rules: {
			'@typescript-eslint/no-unsafe-argument': 'off',
			'@typescript-eslint/no-unsafe-assignment': 'off',
			'@typescript-eslint/no-unsafe-call': 'off',
			'@typescript-eslint/no-unsafe-member-access': 'off',
			'@typescript-eslint/no-unsafe-return': 'off',
			'@typescript-eslint/no-redundant-type-constituents': 'off'
		}
	},
	{
		// A stub of an asynchronous function is asynchronous too, although it has nothing to await.
		files: ['**/*.test.ts'],
		rules: { '@typescript-eslint/require-await': 'off' }
	},
	{
		// The rule does not see the casts of JSDoc.
		files: ['**/*.js', '**/*.mjs'],
		rules: { '@typescript-eslint/no-unsafe-assignment': 'off' }
	},
	{ files: ['scripts/**'], rules: { 'no-console': 'off' } }
);
