// The agent's status as rows: what each page shows, without any markup.

import { _, fill } from './text.js';
import { bytes, millis, percent, rate } from './units.js';

// Said by the agent in English; whatever it says beside these is shown as it is.
function sentences() {
	return {
		'not pooling: no exit answers; clients use the own line': _('Not pooling: no exit answers. Your devices use your own line.'),
		'about to pool': _('About to pool: the lines are being tried.'),
		'pooling over one line': _('Pooling over one line.'),
		'pooling over several lines': _('Pooling over several lines.')
	};
}

function states() {
	return { opening: _('opening'), measuring: _('measuring'), live: _('live'), dead: _('dead') };
}

// One sentence and how serious it is: 'good', 'warning' or 'off'.
export function headline(status) {
	if (!status)
		return { level: 'off', text: _('burstmesh is not running. Your devices use your own line.') };
	return {
		level: status.pooling ? 'good' : 'warning',
		text: sentences()[status.sentence] || status.sentence
	};
}

// The lender's part of a path's name, `node/uplink`; null on a line of one's own.
function lender(path) {
	return path.lent ? path.via.split('/')[0] : null;
}

export function pathName(path) {
	return path.lent ? fill(_('lent by {node}'), { node: lender(path) }) : fill(_('own line {name}'), { name: path.via });
}

// What every table of paths says of one.
function pathRow(path) {
	return {
		name: pathName(path),
		state: states()[path.state] || path.state,
		live: path.state === 'live',
		rate: rate(path.rate_bps),
		latency: path.rtt_us ? millis(path.rtt_us) : '–'
	};
}

export function pathRows(status) {
	return status.paths.map((path) => ({
		...pathRow(path),
		sent: bytes(path.tx_bytes),
		received: bytes(path.rx_bytes)
	}));
}

// What came over a neighbour's lines since the agent started.
export function taken(status, node) {
	const theirs = status.paths.filter((path) => path.lent && (node === undefined || lender(path) === node));
	return theirs.reduce((sum, path) => sum + path.tx_bytes + path.rx_bytes, 0);
}

// What was carried for a neighbour over lines of ours.
export function given(status, node) {
	const peers = status.peers.filter((peer) => node === undefined || peer.node === node);
	return peers.reduce((sum, peer) => sum + peer.up_bytes + peer.down_bytes, 0);
}

export function memberRows(status) {
	return status.peers.map((peer) => ({
		name: peer.node,
		address: peer.address,
		state: peer.session ? _('connected') : _('heard, not connected'),
		live: peer.session,
		latency: peer.rtt_us ? millis(peer.rtt_us) : '–',
		lends: peer.offers > 0 ? fill(_('{n} of its lines'), { n: peer.offers }) : _('nothing now'),
		gave: bytes(given(status, peer.node)),
		took: bytes(taken(status, peer.node))
	}));
}

export function uplinkRows(status) {
	return status.uplinks.map((uplink) => ({
		name: uplink.name,
		device: uplink.ifname,
		state: uplink.up ? _('up') : _('down'),
		live: uplink.up,
		lent: uplink.lend ? _('yes') : _('no')
	}));
}

export function detailRows(status) {
	return status.paths.map((path) => ({
		...pathRow(path),
		queue: millis(path.queue_us),
		lost: percent(path.lost, path.lost + path.acked),
		repairs: String(path.repairs),
		deaths: String(path.deaths),
		mtu: String(path.mtu)
	}));
}

function refusals() {
	return {
		malformed: _('could not be read'),
		version: _('of another version'),
		other_version: _('from members with another version'),
		unknown: _('of no known session'),
		forged: _('not authentic'),
		replayed: _('seen before'),
		forbidden: _('not allowed'),
		full: _('a table was full'),
		handshake_community: _('handshakes of another community'),
		handshake_mac: _('handshakes without the secret'),
		handshake_budget: _('handshakes over the budget'),
		handshake_malformed: _('handshakes that could not be read'),
		handshake_version: _('handshakes of another version'),
		handshake_replayed: _('handshakes seen before'),
		input: _('over the mesh, to this router'),
		forward: _('over the mesh, through this router')
	};
}

// Datagrams that were refused, by reason; reasons without any are left out.
export function refusedRows(status) {
	const names = refusals();
	return Object.entries(Object.assign({}, status.refused, status.mesh_refused))
		.filter((entry) => entry[1] > 0)
		.map((entry) => ({ name: names[entry[0]] || entry[0], count: String(entry[1]) }));
}

// What is likely wrong, in the order of what to look at first; empty when all is well.
export function findings(status) {
	const found = [];
	const down = status.uplinks.filter((uplink) => !uplink.up);
	for (const uplink of down)
		found.push(fill(_('Your line {name} ({device}) is down or has no default route.'), { name: uplink.name, device: uplink.ifname }));
	if (status.peers.length === 0)
		found.push(_('No neighbour is heard. Is the mesh interface up, on the same channel and mesh ID as theirs?'));
	else if (!status.peers.some((peer) => peer.session))
		found.push(_('Neighbours are heard, but none connects. Do all have the same invitation?'));
	else if (!status.peers.some((peer) => peer.offers > 0))
		found.push(_('No neighbour lends a line at the moment.'));
	for (const path of status.paths.filter((p) => p.state === 'dead'))
		found.push(fill(_('Nothing comes through on: {path}.'), { path: pathName(path) }));
	if (status.refused.other_version > 0)
		found.push(_('A member has another version of burstmesh and must upgrade, or you must.'));
	if (status.dns_rescue)
		found.push(_('Your own line is down: names are looked up through the exit.'));
	return found;
}
