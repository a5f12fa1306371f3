// From the agent's ledger to days, months, and a file.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { module, sample } from './load.mjs';

const book = await module('ledger');
const pages = await module('pages');

const row = (day, kind, uplink, member, up_bytes, down_bytes) => ({ day, kind, uplink, member, up_bytes, down_bytes });
const ENTRIES = [
	row('2026-11-26', 'own', 'wan', '', 1e9, 9e9),
	row('2026-11-26', 'lent', 'wan', 'aa', 1e9, 3e9),
	row('2026-11-26', 'borrowed', '0', 'aa', 0, 5e9),
	row('2026-11-24', 'own', 'wan', '', 0, 2e9),
	row('2026-10-31', 'own', 'wan', '', 0, 7e9),
	row('2026-10-31', 'lent', 'wan', 'bb', 0, 1e9),
	row('unknown', 'own', 'wan', '', 0, 4e9)
];

test('days without any use are there too, and the newest comes last', () => {
	const days = book.days(ENTRIES, 4);
	assert.deepEqual(days.map((day) => day.day), ['2026-11-23', '2026-11-24', '2026-11-25', '2026-11-26']);
	assert.deepEqual(days[3], { day: '2026-11-26', own: 1e10, lent: 4e9, borrowed: 5e9 });
	assert.deepEqual(days[2], { day: '2026-11-25', own: 0, lent: 0, borrowed: 0 });
	assert.deepEqual(book.days([], 4), []);
	assert.deepEqual(book.days([row('unknown', 'own', 'wan', '', 1, 1)], 4), []);
});

test('a month is what went over one’s own lines in the newest one', () => {
	const { name, lines } = book.month(ENTRIES, sample().uplinks);
	assert.equal(name, '2026-11');
	assert.deepEqual(lines.map(({ own, lent }) => [own, lent]), [[12e9, 4e9]]);
});

test('members come by what they used', () => {
	assert.deepEqual(book.members(ENTRIES).map(({ name, lent, borrowed }) => [name, lent, borrowed]), [['aa', 4e9, 5e9], ['bb', 1e9, 0]]);
});

test('the file is what burstmesh ledger --csv prints', () => {
	assert.equal(book.csv(ENTRIES.slice(0, 2)), 'day,kind,uplink,member,up_bytes,down_bytes\n2026-11-26,own,wan,,1000000000,9000000000\n2026-11-26,lent,wan,aa,1000000000,3000000000\n');
});

test('bars are as high as what they stand for: own and taken above the line, given below', () => {
	const svg = book.plot(book.days(ENTRIES, 2)).find((part) => part[0] === 'svg');
	const bars = svg.slice(2, 5).map((path) => [...path[1].d.matchAll(/M([0-9.]+) ([0-9.]+)h[0-9.]+v([0-9.]+)/g)].map((bar) => bar.slice(1).map(Number)));
	// 10 + 5 above and 4 below, on 160.
	const [own, taken, given] = bars.map(([bar]) => bar);
	assert.deepEqual([own[2], taken[2], given[2]].map(Math.round), [84, 42, 34]);
	assert.deepEqual([own[1] + own[2], taken[1] + taken[2], given[1]].map(Math.round), [126, 42, 126]);
	assert.match(svg[1]['aria-label'], /own 10 GB, taken 5\.0 GB, given 4\.0 GB/);
});

test('the page has a bar for a plan, and the file to save', () => {
	const status = sample();
	Object.assign(status.uplinks[0], { cap_bytes: 1e11, cap_used_bytes: 9e10 });
	const text = JSON.stringify(pages.ledger(status, ENTRIES, null));
	assert.match(text, /"meter",\{"min":0,"max":100000000000,"high":80000000000,"value":90000000000,"aria-label":"90 GB of 100 GB"/);
	assert.match(text, /"download":"burstmesh-ledger\.csv","href":"data:text\/csv;charset=utf-8,day%2Ckind/);
	assert.match(JSON.stringify(pages.ledger(sample(), [], null)), /Nothing was counted yet/);
});
