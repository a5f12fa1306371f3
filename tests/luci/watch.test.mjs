// Why is it slow?

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { module, sample } from './load.mjs';

const { Watch } = await module('watch');

// Ten seconds in which `each` changes the paths of every second, from the sample on.
function watched(each) {
	const watch = new Watch(10);
	for (let second = 0; second <= 10; second += 1) {
		const status = sample();
		status.paths.forEach((path, n) => each(path, n, second));
		assert.equal(watch.done(), false);
		watch.record(second * 1000, status);
	}
	assert.equal(watch.done(), true);
	return watch;
}

// Both paths carry 10 Mbit/s down.
function well(path, _n, second) {
	path.rx_bytes += second * 1_250_000;
	path.acked += second * 1000;
}

test('what a path did is what its counters say', () => {
	const watch = watched(well);
	assert.equal(watch.progress(), 1);
	assert.deepEqual(watch.lines().map((line) => [line.down, line.up, line.lost]), [[1e7, 0, 0], [1e7, 0, 0]]);
	assert.equal(watch.rows()[0].down, '10 Mbit/s');
	assert.match(watch.verdicts()[0], /Nothing stands out/);
});

test('what is seen after the end is not taken', () => {
	const watch = watched(well);
	const before = watch.lines();
	watch.record(60_000, sample());
	assert.deepEqual(watch.lines(), before);
});

test('nobody downloading is told first', () => {
	assert.deepEqual(watched(() => {}).verdicts().map((said) => said.slice(0, 15)), ['Hardly anything']);
});

for (const [name, change, said] of [
	['a line that fell silent', (path, n, second) => { path.deaths += n === 0 && second > 5 ? 1 : 0; }, /^own line wan fell silent/],
	['a line that loses', (path, n, second) => { path.lost += n === 1 ? 50 * second : 0; }, /^lent by \w+ lost 4\.8 %/],
	['a line with a long queue', (path, n, second) => { path.queue_us = n === 0 && second === 4 ? 200_000 : 0; }, /^On own line wan packets waited 200 ms/],
	['one line only', (path, n) => { path.state = n === 1 ? 'dead' : 'live'; }, /^Only one line is in use/],
	['a flow that keeps to one line', (path, n, second) => { path.rx_bytes -= n === 1 ? second * 1_250_000 : 0; }, /^Nearly all went over own line wan/]
])
	test('is told: ' + name, () => {
		const verdicts = watched((path, n, second) => {
			well(path, n, second);
			change(path, n, second);
		}).verdicts();
		assert.equal(verdicts.length, 1, verdicts.join('\n'));
		assert.match(verdicts[0], said);
	});

test('a path that comes meanwhile counts from nothing, and an agent that is away adds nothing', () => {
	const watch = new Watch(2);
	const alone = sample();
	alone.paths.pop();
	watch.record(0, alone);
	watch.record(1000, null);
	watch.record(2000, sample());
	assert.equal(watch.lines()[1].down, sample().paths[1].rx_bytes * 8 / 2);
});
