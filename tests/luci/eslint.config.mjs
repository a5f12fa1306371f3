// What is a mistake in the pages' scripts. They are of two kinds: LuCI's own, bodies of functions that name what they
// require as LuCI does, and modules of the browser.

import js from '@eslint/js';
import { scripts } from './load.mjs';

const known = (...names) => Object.fromEntries(names.map((name) => [name, 'readonly']));
const BROWSER = known('URL', 'TextEncoder', 'atob', 'confirm', 'createImageBitmap', 'document');
const LUCI = known('E', 'L', '_', 'document', 'performance');

const RULES = {
	...js.configs.recommended.rules,
	'array-callback-return': 'error',
	'consistent-this': 'error',
	'default-case-last': 'error',
	eqeqeq: 'error',
	'no-caller': 'error',
	'no-constructor-return': 'error',
	'no-eval': 'error',
	'no-extend-native': 'error',
	'no-implied-eval': 'error',
	'no-loop-func': 'error',
	'no-new-func': 'error',
	'no-promise-executor-return': 'error',
	'no-restricted-globals': ['error', 'event', 'name', 'status', 'length', 'top'],
	'no-return-assign': 'error',
	'no-script-url': 'error',
	'no-self-compare': 'error',
	'no-sequences': 'error',
	'no-template-curly-in-string': 'error',
	'no-throw-literal': 'error',
	'no-unmodified-loop-condition': 'error',
	'no-unreachable-loop': 'error',
	'no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'all' }],
	'no-use-before-define': ['error', { functions: false }],
	'no-useless-call': 'error',
	// xgettext, which finds the texts, does not know that a slash may stand in a set.
	'no-useless-escape': 'off',
	'no-useless-concat': 'error',
	'no-var': 'error',
	'prefer-const': ['error', { destructuring: 'all' }],
	'require-atomic-updates': 'error'
};

// The names that LuCI's loader gives to a script, by what it requires.
const required = (text) => known(...[...text.matchAll(/'require ([\w.]+)(?: as (\w+))?';/g)].map(([, name, as]) => as || name));

export default scripts().map(([name, text]) => ({
	files: ['**/' + name],
	rules: RULES,
	linterOptions: { reportUnusedDisableDirectives: 'error' },
	languageOptions: text.startsWith("'use strict'")
		// A function's body: `return` may stand outside of functions.
		? { sourceType: 'commonjs', ecmaVersion: 2022, globals: { ...LUCI, ...required(text) } }
		: { sourceType: 'module', ecmaVersion: 2022, globals: BROWSER }
}));
