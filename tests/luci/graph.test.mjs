// Throughput from counters.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { module, sample, scripts } from './load.mjs';

const { History, ceiling, graph } = await module('graph');

// The sample with `down` more bytes received on each path.
function later(down) {
	const status = sample();
	for (const path of status.paths)
		path.rx_bytes += down;
	return status;
}

test('rates are the differences of counters over the time between', () => {
	const history = new History(60);
	history.record(1000, sample());
	history.record(3000, later(2_000_000));
	assert.equal(history.points.length, 1);
	assert.equal(history.total(history.points[0], 'down'), 2 * 2_000_000 * 8 / 2);
	assert.equal(history.total(history.points[0], 'up'), 0);
});

test('a path or an agent that begins anew makes no spike', () => {
	const history = new History(60);
	history.record(0, later(5_000_000));
	history.record(1000, sample());
	assert.equal(history.total(history.points[0], 'down'), 0);
	history.record(2000, null);
	history.record(3000, sample());
	assert.deepEqual(history.points.map((point) => history.total(point, 'down')), [0, 0, 0]);
});

test('what is older than the window is forgotten', () => {
	const history = new History(10);
	for (let second = 0; second < 100; second += 1)
		history.record(second * 1000, later(second * 1000));
	assert.ok(history.points.length <= 11);
});

test('what the agent remembers stands before the first status', () => {
	const history = new History(60);
	const now = sample();
	history.recall(10_000, now, { step_ms: 2000, paths: [{ id: now.paths[1].id, speeds: [0, 0, 100, 0, 250, 1] }, { id: 99, speeds: [7, 7, 7, 7, 7, 7] }] });
	history.record(10_000, now);
	assert.deepEqual(history.points.map((point) => [point.now, history.total(point, 'down'), history.total(point, 'up')]),
		[[6000, 0, 0], [8000, 800_000, 0], [10_000, 2_000_000, 8000]]);
	history.record(11_000, later(125_000));
	assert.equal(history.total(history.points.at(-1), 'down'), 2e6);
});

test('own lines lie at the bottom, whatever came first', () => {
	const history = new History(60);
	const lentFirst = sample();
	lentFirst.paths.reverse();
	history.record(0, lentFirst);
	assert.deepEqual(history.layers.map((layer) => layer.lent), [false, true]);
});

test('the scale ends at 1, 2 or 5 times a power of ten, not below the peak', () => {
	assert.equal(ceiling(0), 1000);
	assert.equal(ceiling(1001), 2000);
	assert.equal(ceiling(39_000_000), 50_000_000);
	assert.equal(ceiling(50_000_001), 100_000_000);
});

test('the areas lie upon each other and reach as high as the sum', () => {
	const history = new History(60);
	history.record(0, sample());
	history.record(1000, later(1_250_000));
	history.record(2000, later(2_500_000));
	const picture = graph(history, 'down', 'Download').find((part) => part[0] === 'svg');
	const areas = picture.filter((part) => Array.isArray(part) && part[0] === 'path');
	const heights = areas.map((part) => Math.min(...part[1].d.match(/ [0-9.]+/g).map(Number)));
	// 2 * 10 Mbit/s on a scale to 20: the first area reaches half of the height, the second one all of it.
	assert.deepEqual(heights, [2 + 158 / 2, 2]);
	assert.match(picture[1]['aria-label'], /20 Mbit\/s now/);
});

// Luminance and contrast as WCAG 2 has them.
function contrast(...colours) {
	const light = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
		.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
		.reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
	const [bright, dim] = colours.map(light).sort((a, b) => b - a);
	return (bright + 0.05) / (dim + 0.05);
}

// What LuCI's theme has behind its pages, by day and by night.
const GROUNDS = ['#ffffff', '#222222'];

test('every colour of lines, bars, dots and edges is seen on light and on dark', () => {
	assert.equal(contrast('#000000', '#ffffff'), 21);
	const found = scripts().flatMap(([, text]) => [...text.matchAll(/#([0-9a-f]{6}|[0-9a-f]{3})\b/g)].map(([, hex]) => '#' + (hex.length === 3 ? hex.replace(/./g, '$&$&') : hex)));
	// White is what a code is drawn on.
	const colours = new Set(found.filter((colour) => colour !== '#ffffff'));
	assert.ok(colours.size >= 9, [...colours].join(' '));
	for (const colour of colours)
		for (const ground of GROUNDS)
			assert.ok(contrast(colour, ground) >= 3, colour + ' on ' + ground + ': ' + contrast(colour, ground).toFixed(2));
});
