// The ledger by days and months. Its rows: day, kind (own, lent, borrowed), uplink, member, up_bytes, down_bytes.

import { _ } from './text.js';
import { WIDTH, HEIGHT, figure } from './graph.js';
import { bytes } from './units.js';

// What is lent lies below the line, the rest above.
const COLOURS = { own: '#0072b2', borrowed: '#009e73', lent: '#d55e00' };

function newest(rows) {
	return rows.map((row) => row.day).filter((day) => /^\d{4}-\d\d-\d\d$/.test(day)).sort().pop();
}

function total(rows) {
	const of = (kind) => rows.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.up_bytes + row.down_bytes, 0);
	return { own: of('own'), lent: of('lent'), borrowed: of('borrowed') };
}

// The last `count` days, the oldest first, with those without any use.
export function days(rows, count) {
	const last = newest(rows);
	if (!last)
		return [];
	return Array.from({ length: count }, (_nothing, n) => {
		const day = new Date(Date.parse(last) - (count - 1 - n) * 86_400_000).toISOString().slice(0, 10);
		return { day, ...total(rows.filter((row) => row.day === day)) };
	});
}

// The newest month, `2026-11`, and what went over each own line in it.
export function month(rows, uplinks) {
	const name = (newest(rows) || '').slice(0, 7);
	const its = rows.filter((row) => name && row.day.startsWith(name));
	return { name, lines: uplinks.map((uplink) => {
		const use = total(its.filter((row) => row.kind !== 'borrowed' && row.uplink === uplink.name));
		return { uplink, own: use.own, lent: use.lent };
	}) };
}

// What each member took and gave; those who used most come first.
export function members(rows) {
	const names = [...new Set(rows.map((row) => row.member).filter(Boolean))];
	return names.map((name) => ({ name, ...total(rows.filter((row) => row.member === name)) }))
		.sort((a, b) => b.lent + b.borrowed - a.lent - a.borrowed);
}

// As `burstmesh ledger --csv`.
export function csv(rows) {
	const columns = ['day', 'kind', 'uplink', 'member', 'up_bytes', 'down_bytes'];
	return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => line.join(',') + '\n').join('');
}

// Bars by day: `plotted` says what each colour is.
export function plot(plotted) {
	const up = Math.max(...plotted.map((day) => day.own + day.borrowed), 1);
	const down = Math.max(...plotted.map((day) => day.lent), 0);
	const [scale, width] = [HEIGHT / (up + down), WIDTH / plotted.length];
	const zero = up * scale;
	const bars = (kind, from) => ['path', { fill: COLOURS[kind], d: plotted.map((day, n) => {
		const height = day[kind] * scale;
		return height > 0 ? 'M' + (n * width + 1).toFixed(1) + ' ' + from(day, height).toFixed(1) +
			'h' + (width - 2).toFixed(1) + 'v' + height.toFixed(1) + 'h' + (2 - width).toFixed(1) + 'z' : '';
	}).join('') }];
	const all = (kind) => bytes(plotted.reduce((sum, day) => sum + day[kind], 0));
	const names = { own: _('your own line, for yourself'), borrowed: _('taken from neighbours'), lent: _('given to neighbours, below the line') };
	const [first, last] = [plotted[0].day, plotted.at(-1).day];
	const label = _('By day, from {first} to {last}: own {own}, taken {taken}, given {given}', {
		first, last, own: all('own'), taken: all('borrowed'), given: all('lent')
	});
	return figure(first + ' – ' + last, bytes(up), label, [
		bars('own', (day, height) => zero - height),
		bars('borrowed', (day, height) => zero - day.own * scale - height),
		bars('lent', () => zero),
		['line', { x1: 0, x2: WIDTH, y1: zero.toFixed(1), y2: zero.toFixed(1), class: 'bm-grid' }]
	], Object.keys(names).map((kind) => [COLOURS[kind], names[kind] + ': ' + all(kind)]));
}
