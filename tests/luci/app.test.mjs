// The app as a whole: menu, rights, glue, weight, translations.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import vm from 'node:vm';
import { app, json, module, read, resources, sample, scripts, tree } from './load.mjs';

const acl = json(app + 'root/usr/share/rpcd/acl.d/luci-app-burstmesh.json');
const menu = json(app + 'root/usr/share/luci/menu.d/luci-app-burstmesh.json');
const views = scripts().filter(([name]) => name.startsWith('view/'));

test('every entry of the menu has a view and names rights that exist', () => {
	const entries = Object.values(menu).filter((entry) => entry.action.type === 'view');
	assert.equal(entries.length, 6);
	for (const entry of entries) {
		assert.ok(existsSync(resources + 'view/' + entry.action.path + '.js'), entry.action.path);
		assert.ok(entry.depends.acl.every((group) => group in acl));
	}
});

test('views are glue, and all scripts together weigh at most 60 KB of 1,024 bytes', () => {
	for (const [name, text] of views)
		assert.ok(text.split('\n').length <= 100, name);
	assert.ok(scripts().reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0) <= 61_440);
});

// As published (npm, qr 0.5.0): who updates it compares the new files with what is published, and writes their sums here.
const DECODER = {
	'decode.js': '599eaa506b429930b0ca80bdc6eff5bdfbc0bd24ea623afecc4919eb21ed5f8a',
	'index.js': '18b07cc7e7ba787b3b9bc8662286a75bf6c28c22c3906fe8140dcad11b4a0d81'
};

test('the decoder of codes is the published one, with its licence, and only who scans fetches it', () => {
	for (const [name, sum] of Object.entries(DECODER))
		assert.equal(createHash('sha256').update(read(resources + 'burstmesh/qr/' + name)).digest('hex'), sum, name);
	assert.match(read(resources + 'burstmesh/qr/LICENSE-MIT'), /Paul Miller/);
	for (const [name, text] of scripts())
		assert.ok(!/^import [^(]*qr\//m.test(text), name);
});

test('what the glue runs is what the rights allow: looking under read, acting under write', () => {
	const glue = read(resources + 'burstmesh/glue.js');
	const commands = [...glue.matchAll(/fs\.exec\('([^']+)', \[ ([^\]]*) \]\)/g)]
		.map(([, program, words]) => [program, ...words.split(', ').map((word) => word.slice(1, -1))].join(' '));
	const calls = glue.match(/METHODS = \[ ([^\]]*) \]/)[1].split(', ').map((method) => 'burstmesh.' + method.slice(1, -1)).sort();
	assert.equal(glue.match(/rpc\.declare/g).length, 1, 'what is asked of another object must be in the rights, too');
	const allowed = (rights) => Object.entries(rights).flatMap(([object, methods]) => methods.map((method) => object + '.' + method));
	const { read: look, write: act } = acl['luci-app-burstmesh'];
	// This service, to start it, and no other: commands are compared with all their words.
	assert.deepEqual(Object.keys(act.file), ['/etc/init.d/burstmesh start']);
	assert.deepEqual(Object.keys({ ...look.file, ...act.file }).sort(), commands.sort());
	// rpcd wants both: the right to run something at all, and which command.
	const { file, ...own } = look.ubus;
	assert.deepEqual(file, ['exec']);
	assert.deepEqual(calls, [...allowed(own), ...allowed(act.ubus)].sort());
	assert.deepEqual(allowed(own), ['status', 'members', 'flows', 'counters', 'history', 'ledger'].map((method) => 'burstmesh.' + method));
	assert.equal(acl['luci-app-burstmesh'].read.uci, undefined, 'who may only look must not read the invitation');
});

test('nothing puts text into a page as markup', () => {
	for (const [name, text] of scripts())
		assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacent|document\.write|\.format\(|\beval\(/, name);
});

test('texts of the pages go through the translation', () => {
	const untranslated = /\['(?:h3|p|button|th|strong)', \{[^}]*\}, '|\b(?:h3|p)\('/;
	for (const name of ['pages', 'parts', 'ledger', 'watch'])
		assert.doesNotMatch(read(resources + 'burstmesh/' + name + '.js'), untranslated, name);
});

test('the glue parses as LuCI parses it: the body of a function', () => {
	for (const [name, text] of scripts().filter(([, body]) => body.startsWith("'use strict'")))
		assert.doesNotThrow(() => vm.compileFunction(text, ['window', 'document', 'L', 'E', '_']), name);
});

// Elements as far as dom.js uses them.
class Node {
	constructor(tag, space) {
		Object.assign(this, { tag, space, attributes: {}, children: [], listeners: [] });
	}
	setAttribute(name, value) { this.attributes[name] = value; }
	addEventListener(name, action) { this.listeners.push([name, action]); }
	appendChild(child) { this.children.push(child); }
}
const fake = {
	createElement: (tag) => new Node(tag, 'html'),
	createElementNS: (space, tag) => new Node(tag, space),
	createTextNode: (text) => text,
	createDocumentFragment: () => new Node('fragment')
};

test('a foreign name stays text, wherever it is shown', async () => {
	const { build } = await module('dom');
	const pages = await module('pages');
	const { History } = await module('graph');
	const status = sample();
	const evil = '<img src=x onerror=alert(1)>';
	status.community = status.peers[0].node = status.uplinks[0].name = evil;
	status.paths[0].via = evil;
	status.paths[1].via = evil + '/0';
	const history = new History(60);
	history.record(0, status);
	history.record(1000, status);
	status.uplinks[0].lending = evil;
	status.busiest[0].flow = status.busiest[0].why = evil;
	const entries = [{ day: '2026-11-20', kind: 'own', uplink: evil, member: evil, up_bytes: 1, down_bytes: 2 }];
	const shown = [pages.overview(status, history, null), pages.uplinks(status, null), pages.community(status, null), pages.ledger(status, entries, null),
		pages.diagnostics(status, { check: evil, log: evil, watch: null }, null), pages.box(status)];
	const tags = new Set();
	const walk = (node) => {
		if (node instanceof Node) {
			tags.add(node.tag);
			node.children.forEach(walk);
		}
	};
	shown.forEach((tree) => walk(build(tree, fake)));
	assert.ok(!tags.has('img'));
	assert.ok(tags.has('table') && tags.has('svg'));
	assert.equal(build(['svg', {}], fake).space, 'http://www.w3.org/2000/svg');
});

test('who may only look gets no button, and every page works without an agent', async () => {
	const pages = await module('pages');
	const acts = { pause: () => {}, resume: () => {}, refused: () => [], refuse: () => {} };
	const buttons = (tree) => Array.isArray(tree) ? (tree[0] === 'button' ? 1 : 0) + tree.slice(2).reduce((sum, part) => sum + buttons(part), 0) : 0;
	for (const status of [sample(), null])
		for (const draw of [(by) => pages.overview(status, { points: [], layers: [], span: 1 }, by), (by) => pages.uplinks(status, by),
			(by) => pages.settings(status, by), (by) => pages.ledger(status, [], by)])
			assert.deepEqual([buttons(draw(null)), buttons(draw(acts))], [0, 1]);
	// A button for each neighbour more.
	assert.deepEqual([null, sample()].flatMap((status) => [null, acts].map((by) => buttons(pages.community(status, by)))), [0, 1, 0, 1 + sample().peers.length]);
	// Watching changes nothing, so whoever may look may watch.
	const diagnostics = (status, by) => pages.diagnostics(status, { check: '', log: '', watch: null }, by);
	assert.deepEqual([diagnostics(null, null), diagnostics(null, acts), diagnostics(sample(), null), diagnostics(sample(), acts)].map(buttons), [0, 1, 1, 2]);
});

// Every msgid of a .po file with its translation.
function catalogue(path) {
	const entries = read(path).split('\n\n').map((block) => {
		const part = (word) => [...block.matchAll(new RegExp('^' + word + ' "((?:[^"\\\\]|\\\\.)*)"((?:\n"(?:[^"\\\\]|\\\\.)*")*)', 'gm'))]
			.map(([, first, rest]) => first + [...rest.matchAll(/\n"((?:[^"\\]|\\.)*)"/g)].map(([, more]) => more).join('')).join('');
		return [part('msgid'), part('msgstr')];
	});
	return new Map(entries.filter(([id]) => id !== ''));
}

// What the agent says of its state, paths, lending and flows; a page translates it as it is.
function words() {
	const files = ['agent/src/daemon/lending', 'core/src/data/lane', 'core/src/data/shape', 'agent/src/daemon/admission', 'agent/src/daemon/status/mod', 'agent/src/daemon/status/direct'];
	const found = files.map((file) => [...read(tree + 'firmware/' + file + '.rs').matchAll(/=>\s*(?:\{\s*)?"([^"]+)"/g)].map(([, said]) => said));
	assert.deepEqual(found.map((one) => one.length > 3), [true, true, true, true, true, true]);
	return found.flat().filter((said) => !['auto', 'per_packet', 'per_session'].includes(said));
}

// The texts in the sources, as gettext's own tool finds them, the titles of the menu, and the agent's words.
function texts() {
	const files = scripts().map(([name]) => resources + name);
	const done = spawnSync('xgettext', ['--language=JavaScript', '--from-code=UTF-8', '--keyword=_', '--no-location', '--no-wrap', '--omit-header', '-o', '-', ...files], { encoding: 'utf8' });
	assert.equal(done.status, 0, done.stderr);
	const found = [...done.stdout.matchAll(/^msgid "(.*)"$/gm)].map(([, id]) => id);
	return new Set([...found, ...Object.values(menu).map((entry) => entry.title), ...words()]);
}

test('the template has exactly the texts of the pages, and German and Spanish have them all', () => {
	const wanted = [...texts()].sort();
	assert.ok(wanted.length > 80);
	assert.deepEqual([...catalogue(app + 'po/templates/burstmesh.pot').keys()].sort(), wanted);
	for (const language of ['de', 'es']) {
		const translated = catalogue(app + 'po/' + language + '/burstmesh.po');
		assert.deepEqual([...translated.keys()].sort(), wanted, language);
		for (const [id, text] of translated) {
			assert.notEqual(text, '', language + ': ' + id);
			const holes = (one) => (one.match(/\{[a-z]+\}/g) || []).sort();
			assert.deepEqual(holes(text), holes(id), language + ': ' + id);
		}
	}
});
