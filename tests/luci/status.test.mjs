// From the agent's status to what a person reads.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { module, read, sample, tree } from './load.mjs';

const status = await module('status');
const units = await module('units');
const { fill } = await module('text');

test('units are the ones that lines are sold in', () => {
	assert.equal(units.rate(0), '0 bit/s');
	assert.equal(units.rate(999), '999 bit/s');
	assert.equal(units.rate(2_000_000), '2.0 Mbit/s');
	assert.equal(units.rate(94_312_000), '94 Mbit/s');
	assert.equal(units.rate(999_600), '1.0 Mbit/s');
	assert.equal(units.bytes(25_339_441), '25 MB');
	assert.equal(units.millis(2817), '2.8 ms');
	assert.equal(units.millis(40_000), '40 ms');
	assert.equal(units.duration(93_784), '1 d 02:03:04');
	assert.equal(units.percent(1, 0), '–');
});

test('a value that looks like a template stays a value', () => {
	assert.equal(fill('{a} and {b}', { a: '{b}', b: '100%' }), '{b} and 100%');
	assert.equal(fill('{toString}', {}), '{toString}');
});

test('the state is one sentence, also without an agent and with a sentence of a later version', () => {
	assert.deepEqual(status.headline(sample()), { level: 'good', text: 'Pooling over several lines.' });
	assert.equal(status.headline(null).level, 'off');
	assert.match(status.headline({ ...sample(), pause_s: 90 }).text, /^Paused\./);
	assert.equal(status.headline({ pooling: false, sentence: 'resting' }).text, 'Resting.');
});

test('paths tell whose line they are', () => {
	const rows = status.pathRows(sample());
	const lender = sample().peers[0].node;
	assert.deepEqual(rows.map((row) => row.name), ['own line wan', 'lent by ' + lender]);
	assert.ok(rows.every((row) => row.live && row.latency.endsWith('ms')));
});

test('a path that rests says why in place of its state', () => {
	const now = sample();
	now.paths[0].stands_by = 'stands by: dearer';
	assert.deepEqual(status.pathRows(now).map((row) => [row.state, row.live]), [['stands by: dearer', true], ['live', true]]);
	assert.equal(status.detailRows(now)[0].state, 'stands by: dearer');
});

test('what was given and taken is summed by neighbour', () => {
	const now = sample();
	const [peer] = now.peers;
	const lent = now.paths.find((path) => path.lent);
	assert.equal(status.given(now), peer.up_bytes + peer.down_bytes);
	assert.equal(status.taken(now), lent.tx_bytes + lent.rx_bytes);
	assert.equal(status.taken(now, peer.node), status.taken(now));
	assert.equal(status.taken(now, 'somebody else'), 0);
});

test('a line tells why it is lent as it is, and what is used of it', () => {
	const now = sample();
	Object.assign(now.uplinks[0], { lending: 'lent slowly: near the cap', lend_down_kbit: 5000, own_down_kbit: 340, own_up_kbit: 12 });
	const [row] = status.uplinkRows(now);
	assert.deepEqual([row.lent, row.most, row.own, row.expected],
		['lent slowly: near the cap', '5.0 Mbit/s down, all that is idle up', '340 kbit/s down, 12 kbit/s up', 'not known yet']);
});

test('connections tell why they go where they go', () => {
	const now = sample();
	now.busiest = [
		{ flow: 'tcp 192.0.2.1:443', kind: 'light', packets_per_s: 9, why: 'the other fell silent', paths: ['wan'], second: 'aa/0' },
		{ flow: 'udp 192.0.2.1:443', kind: 'burst', packets_per_s: 1, why: 'spread', paths: ['wan', 'aa/0'], second: null },
		{ flow: 'tcp 192.0.2.2:22', kind: 'direct', packets_per_s: null, why: 'a rule sends it direct, else pooled', rule: 2, paths: ['wan'], second: null }
	];
	assert.deepEqual(status.flowRows(now).map((row) => [row.kind, row.packets, row.line, row.second, row.why]), [
		['light', 9, 'own line wan', 'lent by aa', 'the other fell silent'],
		['burst', 1, 'own line wan, lent by aa', '–', 'spread'],
		['direct', '–', 'own line wan', '–', 'a rule sends it direct, else pooled']
	]);
});

test('a neighbour that floods is named, and certificates have a column where an admin gives them', async () => {
	const now = sample();
	const { community } = await module('pages');
	const [peer] = now.peers;
	assert.ok(!JSON.stringify(community(now, null)).includes('Certified until'));
	Object.assign(now, { admin: 'AAAA' });
	Object.assign(peer, { floods: true, certified_until: 1_795_651_200 });
	const [row] = status.memberRows(now, []);
	assert.deepEqual([row.state, row.until], ['sends too much', new Date(1_795_651_200_000).toLocaleDateString()]);
	assert.ok(JSON.stringify(community(now, null)).includes('Certified until'));
	peer.certified_until = 0;
	assert.equal(status.memberRows(now, [])[0].until, '–');
});

test("the agent's words about state, paths, lending and flows are shown in the visitor's language", async () => {
	const { use } = await module('text');
	const now = sample();
	const [line, path, flow] = [now.uplinks[0], now.paths[0], now.busiest[0]];
	use((text) => '<' + text + '>');
	assert.equal(status.headline(now).text, '<' + now.sentence + '>.');
	assert.deepEqual([status.uplinkRows(now)[0].lent, status.pathRows(now)[0].state, status.flowRows(now)[0].why].map((text) => text.slice(1, -1)),
		[line.lending, path.state, flow.why]);
	use((text) => text);
});

test('whom one shares nothing with is marked, heard or not', () => {
	const now = sample();
	const { node } = now.peers[0];
	assert.deepEqual(status.memberRows(now, []).map((row) => row.refused), now.peers.map(() => false));
	assert.deepEqual(status.memberRows(now, ['99ab', node]).map((row) => [row.name, row.refused, row.state]).sort(),
		[['99ab', true, 'not heard'], [node, true, 'connected']].sort());
	now.peers[0].refused = true;
	assert.deepEqual(status.memberRows(now, []).map((row) => [row.refused, row.state])[0], [true, 'refused']);
});

test('what stands out is named, and nothing is when all is well', () => {
	assert.deepEqual(status.findings(sample()), []);
	const alone = sample();
	alone.peers = [];
	alone.uplinks[0].up = false;
	alone.paths[0].state = 'dead';
	const found = status.findings(alone);
	assert.equal(found.length, 3);
	assert.match(found[0], /wan.*down/);
	assert.match(found[1], /No neighbour/);
	assert.match(found[2], /own line wan/);
	const strangers = sample();
	strangers.peers[0].session = false;
	assert.match(status.findings(strangers)[0], /invitation/);
	strangers.peers[0].session = true;
	strangers.peers[0].offers = 0;
	assert.match(status.findings(strangers)[0], /lends/);
});

test('only reasons that refused something are shown, and every reason of the agent has a name', () => {
	const busy = sample();
	for (const reason of Object.keys(busy.refused))
		busy.refused[reason] = 0;
	assert.deepEqual(status.refusedRows(busy), []);
	const reasons = [...Object.keys(busy.refused), ...Object.keys(busy.mesh_refused)];
	for (const reason of reasons)
		(reason in busy.refused ? busy.refused : busy.mesh_refused)[reason] = 3;
	const rows = status.refusedRows(busy);
	assert.equal(rows.length, reasons.length);
	assert.ok(rows.every((row) => !reasons.includes(row.name)), 'a reason has no name of its own');
});

test('a community without an exit is seen as good, with the lines at which new connections leave', async () => {
	const alone = sample();
	assert.deepEqual(status.hostRows(alone), []);
	const words = "no exit is used: each new connection leaves at one line, the own one or a neighbour's";
	assert.ok(read(tree + 'firmware/agent/src/daemon/status/mod.rs').includes(words), 'the agent says it so');
	Object.assign(alone, { pooling: false, paths: [], sentence: words, own_share: 1, round: 4, hosts: [{ node: 'ab12', share: 3, up_kbit: 2000, down_kbit: 20000, ipv6: false }] });
	assert.deepEqual(status.headline(alone), { level: 'good', text: "No exit is used: each new connection leaves at one line, the own one or a neighbour's." });
	assert.deepEqual(status.hostRows(alone).map(({ name, share, most }) => [name, share, most]),
		[['own line wan', '1 of 4', '–'], ['lent by ab12', '3 of 4', '20 Mbit/s down, 2.0 Mbit/s up']]);
	alone.hosts[0].node = alone.peers[0].node;
	alone.peers[0].offers = 0;
	assert.equal(status.memberRows(alone, [])[0].lends, 'its address');
	assert.deepEqual(status.findings(alone), []);
	const { overview } = await module('pages');
	const { History } = await module('graph');
	const page = JSON.stringify(overview(alone, new History(120), null));
	assert.ok(page.includes('Where new connections leave') && !page.includes('Lines in use'));
});
