// A linter over the pages' scripts: no mistake, no warning, and it would notice.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { resources, scripts, tree } from './load.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const skip = existsSync(here('node_modules/eslint')) ? false : 'eslint is not installed: npm ci';

// What eslint says of a script with this text and name.
async function said(name, text) {
	const { ESLint } = await import('eslint');
	const linter = new ESLint({ cwd: tree, overrideConfigFile: here('eslint.config.mjs') });
	const [{ messages }] = await linter.lintText(text, { filePath: resources + name });
	return messages.map(({ line, ruleId, message }) => name + ':' + line + ': ' + (ruleId || message));
}

test('eslint has nothing to say', { skip }, async () => {
	for (const [name, text] of scripts())
		assert.deepEqual(await said(name, text), []);
});

test('and it would notice', { skip }, async () => {
	const [glue, text] = scripts().find(([name]) => name.endsWith('glue.js'));
	for (const [name, mistake, rule] of [
		[glue, text.replace('poll.add', 'pol.add'), 'no-undef'],
		['burstmesh/units.js', 'export const double = (n) => m * 2;', 'no-undef'],
		['burstmesh/units.js', 'export function f(a) { if (a = 1) return a; return 2; }', 'no-cond-assign'],
		['burstmesh/units.js', 'const unused = 1;', 'no-unused-vars'],
		['burstmesh/units.js', 'export default [1].map((n) => { n + 1; });', 'array-callback-return']
	])
		assert.ok((await said(name, mistake)).some((one) => one.endsWith(': ' + rule)), rule);
});
