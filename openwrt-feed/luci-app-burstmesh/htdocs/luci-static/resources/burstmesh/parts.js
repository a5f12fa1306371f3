// What the pages are made of, as trees (see dom.js).

import { _ } from './text.js';
import { bytes, duration } from './units.js';
import { headline } from './status.js';

const STYLE = [
	'.bm-state{display:flex;flex-wrap:wrap;gap:.75em;align-items:center;padding:.75em 1em;margin-bottom:1em;border-left:.4em solid;border-radius:.25em;background:rgba(128,128,128,.12)}',
	'.bm-state strong{flex:1 1 16em;font-size:1.1em}',
	'.bm-good{border-color:#009e73}.bm-warning{border-color:#d55e00}.bm-off{border-color:#888}',
	'.bm-graphs{display:flex;flex-wrap:wrap;gap:1em;margin-bottom:1em}',
	'.bm-graph{flex:1 1 18em;min-width:0;margin:0}.bm-graph figcaption{font-weight:bold}',
	'.bm-graph svg{width:100%;height:auto;color:inherit}.bm-grid{stroke:currentColor;stroke-opacity:.25}',
	'.bm-axis{font-size:.85em}',
	'.bm-legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25em 1.25em;margin:.25em 0;padding:0}',
	'.bm-swatch{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:.15em}',
	'.bm-page meter,.bm-page progress{width:100%;max-width:12em;height:1em;display:block}',
	'.bm-qr{width:100%;max-width:18em;background:#fff;display:block;margin:.5em 0}',
	'.bm-page td{overflow-wrap:anywhere}.bm-page pre{overflow-x:auto;white-space:pre-wrap}',
	// On a phone each row is a block of lines.
	'@media(max-width:600px){.bm-page .tr.table-titles{display:none}.bm-page .table,.bm-page tbody,.bm-page .tr:not(.table-titles),.bm-page .td{display:block;width:auto;text-align:left}',
	'.bm-page .tr{padding:.5em 0;border-bottom:1px solid rgba(128,128,128,.4)}.bm-page .td{border:0;padding:.1em .25em}.bm-page .td::before{content:attr(data-title) ": ";font-weight:bold}}',
	'.bm-dot::before{content:"●";margin-right:.4em;color:#009e73}.bm-dot.bm-no::before{content:"○";color:#888}'
].join('\n');

export function h3(text) {
	return ['h3', {}, text];
}

export function p(text) {
	return ['p', {}, text];
}

export function list(items, nothing) {
	return items.length ? ['ul', {}, ...items.map((item) => ['li', {}, item])] : p(nothing);
}

// `titles` of columns by key; only a row that is `live` has a full dot. Phones show data-title before each value.
export function table(caption, titles, data, nothing) {
	if (data.length === 0)
		return ['div', {}, h3(caption), p(nothing)];
	const columns = Object.entries(titles);
	const cell = (row, [key, title]) => ['td', { class: 'td', 'data-title': title },
		key === 'state' ? ['span', { class: row.live ? 'bm-dot' : 'bm-dot bm-no' }, row.state] : row[key]];
	return ['div', {}, h3(caption), ['table', { class: 'table', 'aria-label': caption },
		['tr', { class: 'tr table-titles' }, ...columns.map(([, title]) => ['th', { class: 'th', scope: 'col' }, title])],
		...data.map((row) => ['tr', { class: 'tr' }, ...columns.map((column) => cell(row, column))])]];
}

// The state, and the button that changes it; `acts` is null for who may only look.
function state(status, acts) {
	const off = acts && acts.off && !status;
	const { level, text } = headline(status, off);
	const [action, title] = !status ? ['start', _('Start')] : status.pause_s > 0 ? ['resume', _('Resume')] : ['pause', _('Pause for an hour')];
	const button = ['button', {
		id: 'bm-' + action,
		class: 'btn cbi-button' + (action === 'pause' ? '' : ' cbi-button-positive'),
		onclick: acts && (() => acts[action]())
	}, title];
	return ['div', { class: 'bm-state bm-' + level }, ['strong', { role: 'status' }, text], acts && !off && button];
}

// What is wrong with the settings, and whether the invitation has expired.
let mistakes = null;
export let expired = false;

export function judged(check) {
	expired = /invitation has expired/.test(check);
	mistakes = /: good\s*$/.test(check) || !check ? null : ['div', { class: 'bm-state bm-warning', role: 'alert' },
		['strong', {}, _('The settings have a mistake and are not in force.')], list(check.trim().split('\n').map((line) => line.replace(/^\S+:\d+: /, '')))];
}

export function page(status, acts, ...content) {
	return ['div', { class: 'bm-page' }, ['style', {}, STYLE], mistakes, state(status, acts),
		// Not where screen readers read what changes.
		status && status.pause_s > 0 && p(_('The pause ends in {time}.', { time: duration(status.pause_s) })), ...content];
}

// How much of a plan is used; the agent lends slowly from four fifths on.
export function bar(used, cap) {
	const text = _('{used} of {cap}', { used: bytes(used), cap: bytes(cap) });
	return ['span', {}, ['meter', { min: 0, max: cap, high: 0.8 * cap, value: Math.min(used, cap), 'aria-label': text }], text];
}
