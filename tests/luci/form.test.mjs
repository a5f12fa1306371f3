// The forms against the reference of options, which is written from the agent's schema, and values against the agent.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { json, module, read, tree } from './load.mjs';

const { judge, kinds, sections, whole } = await module('form');
const { blake2s } = await module('invitation');
const values = json(new URL('values.json', import.meta.url));

// Section name to its options, each as [name, kind, list, required, default].
function reference() {
	const found = {};
	for (const part of read(tree + 'docs/uci.md').split('\n## ')) {
		const rows = [...part.matchAll(/^\| `(option|list) (\w+)` \| ([^|(]+)[^|]*\| ([^|]+) \|/gm)];
		const kind = part.match(/^`config (\w+)/);
		if (kind && rows.length > 0)
			found[kind[1]] = rows.map(([, word, name, type, preset]) => ({
				name, kind: type.trim(), list: word === 'list', required: preset === 'required',
				preset: ['required', 'not set'].includes(preset) ? null : preset
			}));
	}
	return found;
}

test('every option of the schema is in a form, with its kind and its default, and no other', () => {
	const order = (options) => options.map(({ name, kind, list, required, preset }) => ({ name, kind, list, required, preset }))
		.sort((a, b) => a.name.localeCompare(b.name));
	const ours = Object.entries(sections()).map(([name, section]) => [name, order(section.options)]);
	const theirs = Object.entries(reference()).map(([name, options]) => [name, order(options)]);
	assert.deepEqual(Object.fromEntries(ours), Object.fromEntries(theirs));
});

test('there may be as many sections as the agent has room for', () => {
	const schema = ['schema', 'schema/uplink', 'schema/rule'].map((file) => read(tree + 'firmware/agent/src/config/' + file + '.rs')).join('');
	const room = (word) => Number((schema.match(new RegExp('const ' + word + ': usize = (\\d+);')) || read(tree + 'firmware/core/src/wire/invitation.rs').match(/const EXITS: usize = (\d+);/))[1]);
	for (const [kind, word] of [['uplink', 'UPLINKS'], ['client', 'CLIENTS'], ['mesh', 'MESHES'], ['exit', 'EXITS'], ['rule', 'RULES']])
		assert.equal(sections()[kind].most, room(word), kind);
});

// Sections by kind, with what is in each.
function file(parts) {
	return Object.entries(parts).flatMap(([kind, found]) => found.map((one, n) => ({ '.type': kind, '.name': kind + n, ...one })));
}

const GOOD = { community: [{}], uplink: [{ ifname: 'wan' }], client: [{ ifname: 'br-lan' }], mesh: [{ ifname: 'mesh0' }], exit: [], rule: [{ lane: 'direct', port: '25' }] };
const EVERY = Object.keys(GOOD);
const many = (count, part) => Array.from({ length: count }, (_nothing, n) => ({ ...part, ifname: 'if' + n }));
// What is wrong, how it is said, and the pages where it can be mended. The agent must be of the same opinion.
const WRONG = {
	'a rule without a condition': [{ rule: [{ lane: 'direct' }] }, /^A rule must/, ['rule']],
	'a device twice': [{ client: [{ ifname: 'wan' }] }, /^wan: /, ['client', 'uplink']],
	'two preferred lines': [{ uplink: many(2, { default: '1' }) }, /^Only one/, ['uplink']],
	'a fifth uplink': [{ uplink: many(5) }, /^My lines: at most 4/, ['uplink']],
	'a seventeenth rule': [{ rule: Array(17).fill(GOOD.rule[0]) }, /^Lanes by rule: at most 16/, ['rule']],
	'the last uplink removed': [{ uplink: [] }, /^Without a line/, ['uplink']]
};

test('settings that fit each other pass', () => {
	assert.doesNotThrow(() => whole(file(GOOD), EVERY));
	assert.doesNotThrow(() => whole(file({ ...GOOD, uplink: [], community: [{ no_uplink: '1' }] }), EVERY));
});

for (const [what, [change, said, where]] of Object.entries(WRONG))
	test('is refused where it can be mended, and nowhere else: ' + what, () => {
		for (const kind of EVERY)
			if (where.includes(kind))
				assert.throws(() => whole(file({ ...GOOD, ...change }), [kind]), { message: said });
			else
				assert.doesNotThrow(() => whole(file({ ...GOOD, ...change }), [kind]), kind);
	});

test('every kind has a rule, and every refusal says what is right', () => {
	for (const section of Object.values(sections()))
		for (const option of section.options)
			assert.ok(kinds()[option.kind].how.endsWith('.'), option.kind);
	assert.equal(judge('rate', ''), true);
});

for (const [kind, { right, wrong }] of Object.entries(values))
	test('values of the kind ' + kind, () => {
		for (const value of right)
			assert.equal(judge(kind, value), true, value);
		for (const value of wrong)
			assert.equal(judge(kind, value), kinds()[kind].how, value);
	});

// As the encoder's own test has it (firmware/core/src/wire/invitation/tests.rs).
const INVITATION = 'bm1CGhpbGxzaWRlAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8BQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkICAMsAcQfnIgEgAQ24AAAAAAAAAAAAAAAH5yIBgKSn2gYAhoNtoA';

test('an invitation may be pasted with white space in it, and must be whole', () => {
	assert.equal(judge('invitation', INVITATION), true);
	assert.equal(judge('invitation', ' ' + INVITATION.slice(0, 60) + '\n ' + INVITATION.slice(60) + '\n'), true);
	const typo = INVITATION.replace('Ghp', 'Gph');
	for (const wrong of [INVITATION.slice(0, -1), INVITATION.slice(1), typo, INVITATION + INVITATION, 'bm1short', 'x'.repeat(80), 'bm1' + 'a'.repeat(60)])
		assert.equal(judge('invitation', wrong), kinds().invitation.how, wrong);
});

test('the sum of an invitation is the one that others compute', () => {
	for (const length of [0, 1, 63, 64, 65, 128, 129, 580]) {
		const bytes = Uint8Array.from({ length }, (_nothing, n) => n * 7);
		assert.equal(Buffer.from(blake2s(bytes)).toString('hex'), createHash('blake2s256').update(bytes).digest('hex'), length + ' bytes');
	}
});

const PLACES = { device: 'ifname', rate: 'lend_up', volume: 'cap', cost: 'cost', 'day of the month': 'reset_day', 'time zone': 'timezone', hours: 'lend_hours', port: 'port', prefix: 'destination', 'prefix or name': 'bypass', 'address:port': 'address', 'public key': 'key', 'log level': 'log_level', file: 'key_file', lane: 'lane', 'lane or direct': 'lane', protocol: 'protocol', DSCP: 'dscp', preference: 'preference', 'node ID': 'refuse', 'node ID=weight': 'weight', invitation: 'invitation', certificate: 'certificate', secret: 'secret', text: 'name' };

// What is wrong with the whole file is told at its last line.
const LAST = "config client 'last'\n\toption ifname 'br-last'\n";

// What the agent says of the line that holds the value.
function agentSays(agent, folder, kind, value) {
	const section = { port: 'mesh', prefix: 'rule', 'prefix or name': "client 'x'", 'lane or direct': 'rule', 'address:port': "exit 'x'", 'public key': "exit 'x'", 'log level': 'community', file: 'community', lane: 'community', protocol: 'rule', DSCP: 'rule', preference: "exit 'x'", 'node ID': 'community', 'node ID=weight': 'community', invitation: 'community', certificate: 'community', secret: 'community', text: 'community' };
	const word = ['prefix or name', 'address:port', 'hours', 'node ID', 'node ID=weight'].includes(kind) ? 'list' : 'option';
	writeFileSync(folder + '/config', 'config ' + (section[kind] || "uplink 'x'") + '\n\t' + word + ' ' + PLACES[kind] + " '" + value + "'\n" + LAST);
	const done = spawnSync(agent, ['check', '--config', folder + '/config'], { encoding: 'utf8' });
	return done.stdout.split('\n').filter((line) => line.includes('/config:2: '));
}

const agent = process.env.BURSTMESH_AGENT;
test('the agent is of the same opinion about each value', { skip: agent ? false : 'BURSTMESH_AGENT names no agent' }, () => {
	const folder = mkdtempSync(tmpdir() + '/burstmesh-values-');
	try {
		for (const [kind, { right, wrong }] of Object.entries(values)) {
			for (const value of right)
				assert.deepEqual(agentSays(agent, folder, kind, value), [], kind + ' ' + value);
			for (const value of wrong)
				assert.notDeepEqual(agentSays(agent, folder, kind, value), [], kind + ' ' + value);
		}
	} finally {
		rmSync(folder, { recursive: true });
	}
});

test('the agent refuses the same settings as a whole', { skip: agent ? false : 'BURSTMESH_AGENT names no agent' }, () => {
	const folder = mkdtempSync(tmpdir() + '/burstmesh-whole-');
	const says = (parts) => {
		const text = file(parts).map(({ '.type': type, '.name': name, ...options }) => 'config ' + type + (sections()[type].named ? " '" + name + "'" : '') + '\n' +
			Object.entries(options).map(([option, value]) => '\toption ' + option + " '" + value + "'\n").join('')).join('');
		writeFileSync(folder + '/config', text);
		return spawnSync(agent, ['check', '--config', folder + '/config'], { encoding: 'utf8' });
	};
	const good = { ...GOOD, community: [{ invitation: INVITATION }] };
	try {
		const { status, stdout } = says(good);
		assert.equal(status, 0, stdout);
		for (const [what, [change]] of Object.entries(WRONG))
			assert.notEqual(says({ ...good, ...change }).status, 0, what);
	} finally {
		rmSync(folder, { recursive: true });
	}
});
