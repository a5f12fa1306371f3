// The pages as trees (see dom.js): what LuCI shows, and what any other page could.

import { _, fill } from './text.js';
import { graph } from './graph.js';
import { bytes, duration } from './units.js';
import * as rows from './status.js';

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
	'.bm-page td{overflow-wrap:anywhere}.bm-page pre{overflow-x:auto;white-space:pre-wrap}',
	// On a phone each row is a block of lines, `title value`, whatever the theme does.
	'@media(max-width:600px){.bm-page .tr.table-titles{display:none}.bm-page .table,.bm-page tbody,.bm-page .tr:not(.table-titles),.bm-page .td{display:block;width:auto;text-align:left}',
	'.bm-page .tr{padding:.5em 0;border-bottom:1px solid rgba(128,128,128,.4)}.bm-page .td{border:0;padding:.1em .25em}.bm-page .td::before{content:attr(data-title) ": ";font-weight:bold}}',
	'.bm-dot::before{content:"●";margin-right:.4em;color:#009e73}.bm-dot.bm-no::before{content:"○";color:#888}'
].join('\n');

// Columns are [key, title]; a row without `live` has no dot. On a phone LuCI shows data-title before each value.
function table(caption, columns, data, nothing) {
	if (data.length === 0)
		return ['div', {}, ['h3', {}, caption], ['p', {}, nothing]];
	const cell = (row, [key, title]) => ['td', { class: 'td', 'data-title': title },
		key === 'state' ? ['span', { class: row.live ? 'bm-dot' : 'bm-dot bm-no' }, row.state] : row[key]];
	return ['div', {}, ['h3', {}, caption], ['table', { class: 'table', 'aria-label': caption },
		['tr', { class: 'tr table-titles' }, ...columns.map(([, title]) => ['th', { class: 'th', scope: 'col' }, title])],
		...data.map((row) => ['tr', { class: 'tr' }, ...columns.map((column) => cell(row, column))])]];
}

// The state in one sentence, with the button that changes it; `acts` is null for who may only look.
function state(status, acts) {
	const { level, text } = rows.headline(status);
	const [action, title] = !status ? ['start', _('Start')] : status.pause_s > 0 ? ['resume', _('Resume')] : ['pause', _('Pause for an hour')];
	const button = ['button', {
		id: 'bm-' + action,
		class: action === 'pause' ? 'btn cbi-button' : 'btn cbi-button cbi-button-positive',
		onclick: acts && (() => acts[action]())
	}, title];
	return ['div', { class: 'bm-state bm-' + level, role: 'status' }, ['strong', {}, text], acts ? button : null];
}

function page(status, acts, ...content) {
	return ['div', { class: 'bm-page' }, ['style', {}, STYLE], state(status, acts), ...content];
}

function facts(status) {
	return ['p', {}, fill(_('Community {community}, running for {time}.'), {
		community: status.community, time: duration(status.uptime_s)
	})];
}

export function overview(status, history, acts) {
	if (!status)
		return page(status, acts);
	return page(status, acts, facts(status),
		['div', { class: 'bm-graphs' }, graph(history, 'down', _('Download')), graph(history, 'up', _('Upload'))],
		table(_('Lines in use'), [
			['name', _('Line')], ['state', _('State')], ['latency', _('Latency')], ['received', _('Received')], ['sent', _('Sent')]
		], rows.pathRows(status), _('None yet.')),
		members(status),
		['p', {}, fill(_('Since the start you carried {gave} for your neighbours, and they carried {took} for you.'), {
			gave: bytes(rows.given(status)), took: bytes(rows.taken(status))
		})]);
}

function members(status) {
	return table(_('Neighbours'), [
		['name', _('Router')], ['state', _('State')], ['latency', _('Latency')], ['lends', _('Lends')],
		['gave', _('You carried for it')], ['took', _('It carried for you')]
	], rows.memberRows(status), _('Nobody is heard.'));
}

export function uplinks(status, acts) {
	return page(status, acts, status ? table(_('Now'), [
		['name', _('Line')], ['device', _('Device')], ['state', _('State')], ['lent', _('Lent')]
	], rows.uplinkRows(status), _('No line of its own.')) : null);
}

export function community(status, acts) {
	return page(status, acts, status ? facts(status) : null,
		status ? ['p', {}, fill(_('This router is {node} to the others.'), { node: status.node })] : null,
		status ? members(status) : null);
}

export function settings(status, acts) {
	return page(status, acts);
}

function lease(status) {
	const { lease: got } = status;
	return ['p', {}, got
		? fill(_('Addresses in the tunnel: {four} and {six}, largest packet {mtu} bytes.'), { four: got.ipv4, six: got.ipv6, mtu: got.mtu })
		: _('No exit has given an address yet.')];
}

export function diagnostics(status, extra, acts) {
	const list = (items, nothing) => items.length > 0 ? ['ul', {}, ...items.map((item) => ['li', {}, item])] : ['p', {}, nothing];
	return page(status, acts,
		['h3', {}, _('What stands out')],
		status ? list(rows.findings(status), _('Nothing.')) : ['p', {}, _('The service does not run.')],
		['h3', {}, _('Settings')], ['pre', {}, extra.check],
		...(status ? [
			table(_('Lines in detail'), [
				['name', _('Line')], ['state', _('State')], ['rate', _('Rate found, up')], ['latency', _('Latency')], ['queue', _('Queue')],
				['lost', _('Lost')], ['repairs', _('Sent again')], ['deaths', _('Fell silent')], ['mtu', _('Largest packet')]
			], rows.detailRows(status), _('None yet.')),
			lease(status),
			table(_('Refused'), [['name', _('Why')], ['count', _('Datagrams')]], rows.refusedRows(status), _('Nothing was refused.')),
			['p', {}, fill(_('Version {version}, protocol {protocol}, {memory} of memory, {flows} flows.'), {
				version: status.version, protocol: status.protocol, memory: bytes(status.rss_bytes), flows: status.flows
			})]] : []),
		['h3', {}, _('Log')], ['pre', {}, extra.log || _('Empty.')]);
}

// The box on LuCI's status page.
export function box(status) {
	const { text } = rows.headline(status);
	const live = status ? rows.pathRows(status).filter((row) => row.live).map((row) => row.name) : [];
	return ['p', {}, live.length > 0 ? fill(_('{state} Lines: {lines}.'), { state: text, lines: live.join(', ') }) : text];
}
