// Throughput over time, from one status after another.

import { _ } from './text.js';
import { pathName } from './status.js';
import { rate } from './units.js';

// Distinct for all kinds of colour sight; a test has their contrast. Own lines come first.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#5b8fd9', '#b05a30', '#6a8a00'];
export const WIDTH = 600;
export const HEIGHT = 160;
const TOP = 2;

export class History {
	constructor(seconds, nameOf = pathName) {
		Object.assign(this, { nameOf, span: seconds * 1000, last: null, points: [], layers: [] });
	}

	// Takes a status read at `now`, in steady milliseconds; null is a time without an agent.
	record(now, status) {
		const counters = new Map((status ? status.paths : []).map((path) => [this.nameOf(path), path]));
		for (const path of counters.values())
			this.know(path);
		if (this.last && now > this.last.now)
			this.points.push(this.point(now, counters));
		this.last = { now, counters };
		this.points = this.points.filter((point) => now - point.now <= this.span);
	}

	// What the agent remembers: by `step_ms` what each path received and sent, in kB/s, the oldest first.
	recall(now, status, told) {
		const lines = told.paths.map((line) => [status.paths.find((path) => path.id === line.id), line]).filter(([path]) => path);
		const steps = Math.max(0, ...lines.map(([, line]) => line.speeds.length / 2));
		lines.forEach(([path]) => this.know(path));
		for (let n = 0; n < steps; n += 1) {
			const of = (way) => Object.fromEntries(lines.map(([path, line]) => [this.nameOf(path), line.speeds[2 * n + way] * 8000]));
			this.points.push({ now: now - (steps - 1 - n) * told.step_ms, down: of(0), up: of(1) });
		}
	}

	know(path) {
		const name = this.nameOf(path);
		if (!this.layers.some((layer) => layer.name === name))
			this.layers.push({ name, lent: path.lent, colour: COLOURS[this.layers.length % COLOURS.length] });
		this.layers.sort((a, b) => a.lent - b.lent);
	}

	// A path that began anew counts from nothing.
	point(now, counters) {
		const seconds = (now - this.last.now) / 1000;
		const rates = { now, down: {}, up: {} };
		for (const [name, path] of counters) {
			const before = this.last.counters.get(name);
			const since = (field) => before && path[field] >= before[field] ? path[field] - before[field] : 0;
			rates.down[name] = since('rx_bytes') * 8 / seconds;
			rates.up[name] = since('tx_bytes') * 8 / seconds;
		}
		return rates;
	}

	total(point, direction) {
		return Object.values(point[direction]).reduce((sum, value) => sum + value, 0);
	}
}

// The next of 1, 2, 5 times a power of ten.
export function ceiling(value) {
	const power = Math.pow(10, Math.floor(Math.log10(Math.max(value, 1000))));
	return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value);
}

function area(history, layer, below, direction, top) {
	const now = history.last.now;
	const x = (at) => (WIDTH * (1 - (now - at) / history.span)).toFixed(1);
	const y = (value) => (TOP + (HEIGHT - TOP) * (1 - value / top)).toFixed(1);
	const [upper, lower] = [[], []];
	history.points.forEach((point, n) => {
		const here = () => x(point.now) + ' ' + y(below[n]);
		lower.unshift(here());
		below[n] += point[direction][layer.name] || 0;
		upper.push(here());
	});
	return ['path', { d: 'M' + upper.concat(lower).join('L') + 'Z', fill: layer.colour }];
}

// A picture of `marks`, with a key of colours and meanings.
export function figure(caption, top, label, marks, key) {
	return ['figure', { class: 'bm-graph' },
		['figcaption', {}, caption],
		['div', { class: 'bm-axis', 'aria-hidden': 'true' }, top],
		['svg', { viewBox: '0 0 ' + WIDTH + ' ' + (HEIGHT + 4), role: 'img', 'aria-label': label }, ...marks],
		['ul', { class: 'bm-legend' }, ...key.map(([colour, meaning]) => ['li', {},
			['span', { class: 'bm-swatch', style: 'background:' + colour }], meaning])]];
}

// One direction: own lines at the bottom, lent ones upon them.
export function graph(history, direction, title) {
	const latest = history.points.at(-1);
	const peak = Math.max(0, ...history.points.map((point) => history.total(point, direction)));
	const top = ceiling(peak);
	const below = history.points.map(() => 0);
	const current = latest ? history.total(latest, direction) : 0;
	const label = _('{title}: {rate} now, at most {peak} in the last {seconds} seconds', {
		title, rate: rate(current), peak: rate(peak), seconds: history.span / 1000
	});
	const grid = [0, 0.5, 1].map((part) => TOP + (HEIGHT - TOP) * part)
		.map((y) => ['line', { x1: 0, x2: WIDTH, y1: y, y2: y, class: 'bm-grid' }]);
	const areas = history.points.length > 1 ? history.layers.map((layer) => area(history, layer, below, direction, top)) : [];
	return figure(title + ': ' + rate(current), rate(top), label, grid.concat(areas),
		history.layers.map((layer) => [layer.colour, layer.name + ': ' + rate((latest && latest[direction][layer.name]) || 0)]));
}
