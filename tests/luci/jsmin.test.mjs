// The pages as packages install them: made smaller by LuCI's rules, and still doing what they do.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsmin } from './jsmin.mjs';
import { read, resources } from './load.mjs';

// As the program itself gave it; in all else, too, this is what it gives (tried on all scripts and on 3,000 random texts).
const SEEN = {
	"'use strict';\n'require view';\n\nreturn view;\n": "'use strict';'require view';return view;",
	'a = b /* why */ + +c; // so\n\n\tlet x = 1\n': '\na=b+ +c;let x=1',
	'f = (x) => /^[^/:@ ]+$/.test(x) && /[/ ]/.test(y);\n': '\nf=(x)=>/^[^/:@]+$/.test(x)&&/[/ ]/.test(y);',
	'x = `a  b`\n[1]\n': '\nx=`a  b`\n[1]'
};

test('scripts become what LuCI makes of them', () => {
	for (const [text, small] of Object.entries(SEEN))
		assert.equal(jsmin(text), small);
	for (const wrong of ['x = "abc', 'x = /abc', '/* abc', 'x = /[abc/'])
		assert.throws(() => jsmin(wrong), /unterminated/);
});

// What reads the scripts as they are written is left out.
const BEHAVIOUR = ['form', 'glue', 'graph', 'ledger', 'scan', 'status', 'watch'].map((name) => name + '.test.mjs');

test('what LuCI makes of all scripts, the decoder included, does what they do', { skip: Boolean(process.env.BURSTMESH_RESOURCES) }, () => {
	const folder = mkdtempSync(tmpdir() + '/burstmesh-small-') + '/';
	try {
		let [before, after] = [0, 0];
		for (const name of readdirSync(resources, { recursive: true }).filter((one) => one.endsWith('.js'))) {
			const [text, small] = [read(resources + name), jsmin(read(resources + name))];
			[before, after] = [before + text.length, after + small.length];
			mkdirSync(dirname(folder + name), { recursive: true });
			writeFileSync(folder + name, small);
		}
		assert.ok(after < 0.8 * before, after + ' of ' + before);
		const environment = { ...process.env, BURSTMESH_RESOURCES: folder };
		delete environment.NODE_TEST_CONTEXT;
		const done = spawnSync(process.execPath, ['--test', ...BEHAVIOUR], { cwd: fileURLToPath(new URL('.', import.meta.url)), env: environment, encoding: 'utf8' });
		assert.equal(done.status, 0, done.stdout + done.stderr);
		assert.ok(Number(done.stdout.match(/pass (\d+)/)[1]) > 50, done.stdout);
	} finally {
		rmSync(folder, { recursive: true });
	}
});
