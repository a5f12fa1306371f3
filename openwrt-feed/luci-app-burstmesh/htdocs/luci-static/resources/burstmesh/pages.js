// The pages as trees (see dom.js).

import { _ } from './text.js';
import { graph } from './graph.js';
import * as book from './ledger.js';
import { bar, expired, h3, list, p, page, table } from './parts.js';
import { bytes, duration } from './units.js';
import * as rows from './status.js';

export function overview(status, history, acts) {
	if (!status)
		return page(status, acts);
	const hosts = rows.hostRows(status);
	return page(status, acts, p(_('Community {community}, running for {time}.', { ...status, time: duration(status.uptime_s) })),
		['div', { class: 'bm-graphs' }, graph(history, 'down', _('Download')), graph(history, 'up', _('Upload'))],
		hosts.length ? table(_('Where new connections leave'), {
			name: _('Line'), share: _('Of new connections'), most: _('Is likely to have over')
		}, hosts) : table(_('Lines in use'), {
			name: _('Line'), state: _('State'), latency: _('Latency'), received: _('Received'), sent: _('Sent')
		}, rows.pathRows(status), _('None yet.')),
		members(status),
		p(_('Since the start you carried {gave} for your neighbours, and they carried {took} for you.', {
			gave: bytes(rows.given(status)), took: bytes(rows.taken(status))
		})));
}

function members(status, acts) {
	return table(_('Neighbours'), {
		name: _('Router'), state: _('State'), latency: _('Latency'), lends: _('Lends'), ...(status.admin && { until: _('Certified until') }),
		gave: _('You carried for it'), took: _('It carried for you'), ...(acts && { act: _('Trust') })
	}, rows.memberRows(status, acts ? acts.refused() : []).map((row) => ({ ...row, act: trust(row, acts) })), _('Nobody is heard.'));
}

function trust({ name, refused }, acts) {
	return ['button', { id: 'bm-trust-' + name, class: 'btn cbi-button', onclick: () => {
		if (refused || confirm(_('Carry nothing for {node}, and use none of its lines?', { node: name })))
			acts.refuse(name, !refused);
	} }, refused ? _('Share again') : _('Do not share with it')];
}

export function uplinks(status, acts) {
	const shown = status && rows.uplinkRows(status).map((row) => ({ ...row, plan: plan(row.plan) }));
	return page(status, acts, status && table(_('Now'), {
		name: _('Line'), device: _('Device'), state: _('State'), lent: _('Lending'), most: _('At most'),
		own: _('You use'), expected: _('You usually use now'), plan: _('Of the plan')
	}, shown, _('No line of its own.')));
}

function plan(uplink) {
	return uplink.cap_bytes ? bar(uplink.cap_used_bytes, uplink.cap_bytes) : _('no cap');
}

// `entries` is the agent's ledger.
export function ledger(status, entries, acts) {
	const days = book.days(entries, 31);
	const month = book.month(entries, status ? status.uplinks : []);
	return page(status, acts,
		h3(_('By day')),
		days.length ? ['div', { class: 'bm-graphs' }, book.plot(days)] : p(_('Nothing was counted yet.')),
		table(month.name ? _('Over your lines in {month}', { month: month.name }) : _('This month'), {
			name: _('Line'), own: _('For yourself'), lent: _('For neighbours'), all: _('Together'), plan: _('Of the plan')
		}, month.lines.map(({ uplink, own, lent }) => ({
			name: uplink.name, own: bytes(own), lent: bytes(lent), all: bytes(own + lent), plan: plan(uplink)
		})), _('No line of its own.')),
		table(_('By neighbour'), {
			name: _('Router'), lent: _('You carried for it'), borrowed: _('It carried for you')
		}, book.members(entries).map((row) => ({ name: row.name, lent: bytes(row.lent), borrowed: bytes(row.borrowed) })), _('Nobody yet.')),
		p(_('Of days long past only sums are kept: the router has little room.')),
		p(['a', { class: 'btn cbi-button', download: 'burstmesh-ledger.csv',
			href: 'data:text/csv;charset=utf-8,' + encodeURIComponent(book.csv(entries)) }, _('Save as a CSV file')]));
}

// `picture` is the address of the invitation's code, null while it is hidden.
export function invitation(picture, toggle) {
	return ['div', { class: 'bm-page' }, h3(_('Invite a neighbour')),
		p(_('Neighbours scan this on their own router, under Community. Show it only to those who should join. The exit decides how long newcomers are admitted.')),
		expired && p(_('It has expired: ask the admin of the exit for a new one before you invite.')),
		['button', { id: 'bm-invite', class: 'btn cbi-button', 'aria-expanded': String(picture !== null), onclick: toggle },
			picture === null ? _('Show the invitation as a QR code') : _('Hide it')],
		picture && ['img', { class: 'bm-qr', src: picture, alt: _('The invitation as a QR code') }]];
}

// `open` for who has none yet; `note` says how it went, `take` gets the file.
export function scan(open, note, take) {
	const choose = (id, title, capture) => p(['label', {}, title + ' ',
		['input', { id, type: 'file', accept: 'image/*', capture, onchange: (event) => take(event.target.files[0]) }]]);
	return ['div', { class: 'bm-page' }, ['details', { open: open || note ? '' : null },
		['summary', {}, _('Scan an invitation')],
		p(_('Photograph the QR code that you were given, or choose a picture of it. Your browser reads it.')),
		choose('bm-camera', _('Photograph'), 'environment'), choose('bm-picture', _('Picture')),
		['p', { role: 'status' }, note]]];
}

export function community(status, acts) {
	if (!status)
		return page(status, acts);
	return page(status, acts, p(_('Community {community}, running for {time}.', { ...status, time: duration(status.uptime_s) })), p(_('This router is {node} to the others.', status)), members(status, acts),
		p(_('Only the admin can remove a member for everybody, at the exit.')));
}

export { page as settings };

function lease(status) {
	const { lease: got } = status;
	return p(got
		? _('Addresses in the tunnel: {four} and {six}, largest packet {mtu} bytes.', {
			four: got.ipv4, six: got.ipv6 === '::' ? _('no IPv6') : got.ipv6, mtu: got.mtu
		})
		: _('No exit has given an address yet.'));
}

// `watch` is null before the first time.
function watched(watch, begin) {
	const over = watch && watch.done();
	const running = watch && !over;
	return ['div', {}, h3(_('Why is it slow?')),
		p(_('Begin a large download on one of your devices, then let the lines be watched for ten seconds. No traffic is made for it.')),
		['button', { id: 'bm-watch', class: 'btn cbi-button', onclick: begin, 'aria-disabled': running ? 'true' : null }, _('Watch the lines')],
		running && ['progress', { max: 1, value: watch.progress(), 'aria-label': _('Watching') }],
		['div', { role: 'status' }, over && list(watch.verdicts(), '')],
		over && table(_('Meanwhile'), {
			name: _('Line'), down: _('Download'), up: _('Upload'), found: _('Rate found, up'),
			latency: _('Longest latency'), queue: _('Longest queue'), lost: _('Lost')
		}, watch.rows(), _('None yet.'))];
}

// `extra`: the words of `check` and of the log, the watch and its beginning.
export function diagnostics(status, extra, acts) {
	return page(status, acts,
		h3(_('What stands out')),
		status ? list(rows.findings(status), _('Nothing.')) : p(_('The service does not run.')),
		status && watched(extra.watch, extra.begin),
		status && table(_('Why connections go where they go'), {
			flow: _('Connection'), packets: _('Packets a second'), line: _('Line'), why: _('Why'), second: _('Second best'), kind: _('Kind')
		}, rows.flowRows(status), _('Nothing is carried at the moment.')),
		h3(_('Settings')), ['pre', {}, extra.check],
		...status ? [
			table(_('Lines in detail'), {
				name: _('Line'), state: _('State'), rate: _('Rate found, up'), latency: _('Latency'), queue: _('Queue'),
				lost: _('Lost'), repairs: _('Sent again'), deaths: _('Fell silent'), mtu: _('Largest packet')
			}, rows.detailRows(status), _('None yet.')),
			lease(status),
			table(_('Refused'), { name: _('Why'), count: _('Datagrams') }, rows.refusedRows(status), _('Nothing was refused.')),
			p(_('Version {version}, protocol {protocol}, {memory} of memory, {flows} flows.', {
				version: status.version, protocol: status.protocol, memory: bytes(status.rss_bytes), flows: status.flows
			}))] : [],
		h3(_('Log')), ['pre', {}, extra.log || _('Empty. The tiny package logs for burstmesh log alone.')]);
}

// The box on LuCI's status page.
export function box(status) {
	const { text } = rows.headline(status);
	const live = status ? rows.pathRows(status).filter((row) => row.live).map((row) => row.name) : [];
	return p(live.length ? _('{state} Lines: {lines}.', { state: text, lines: live.join(', ') }) : text);
}
