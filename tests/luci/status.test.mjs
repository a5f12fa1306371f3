// From the agent's status to what a person reads.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { module, sample } from './load.mjs';

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
	assert.equal(status.headline({ pooling: false, sentence: 'resting' }).text, 'resting');
});

test('paths tell whose line they are', () => {
	const rows = status.pathRows(sample());
	const lender = sample().peers[0].node;
	assert.deepEqual(rows.map((row) => row.name), ['own line wan', 'lent by ' + lender]);
	assert.ok(rows.every((row) => row.live && row.latency.endsWith('ms')));
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
