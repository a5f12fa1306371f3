// The agent's status as rows, without any markup.

import { _ } from './text.js';
import { bytes, millis, percent, rate } from './units.js';

// The agent's words are translated as they are.
function sentence(words) {
	return _(words).replace(/^./u, (first) => first.toUpperCase()) + '.';
}

// One sentence and how serious it is: 'good', 'warning' or 'off'.
export function headline(status, off) {
	if (!status)
		return { level: 'off', text: off ? _('Switched off. Your devices use your own line.') : _('burstmesh is not running. Your devices use your own line.') };
	if (status.pause_s > 0)
		return { level: 'off', text: _('Paused. Your devices use your own line, and nothing is lent.') };
	return {
		level: status.pooling || status.sentence.startsWith('no exit is used') ? 'good' : 'warning',
		text: sentence(status.sentence)
	};
}

// Of a path's name, `node/uplink`; null on an own line.
function lender(path) {
	return path.lent ? path.via.split('/')[0] : null;
}

export function pathName(path) {
	return path.lent ? _('lent by {node}', { node: lender(path) }) : _('own line {name}', { name: path.via });
}

// What every table of paths says of one.
function pathRow(path) {
	return {
		name: pathName(path),
		state: _(path.stands_by || path.state),
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
	const theirs = status.paths.filter((path) => path.lent && (!node || lender(path) === node));
	return theirs.reduce((sum, path) => sum + path.tx_bytes + path.rx_bytes, 0);
}

// What was carried for a neighbour over lines of ours.
export function given(status, node) {
	const peers = status.peers.filter((peer) => !node || peer.node === node);
	return peers.reduce((sum, peer) => sum + peer.up_bytes + peer.down_bytes, 0);
}

// With those who are refused by the settings and not heard.
export function memberRows(status, refused) {
	const away = refused.filter((node) => !status.peers.some((peer) => peer.node === node));
	return status.peers.map((peer) => ({
		name: peer.node,
		refused: peer.refused || refused.includes(peer.node),
		state: peer.refused ? _('refused') : peer.floods ? _('sends too much') : peer.session ? _('connected') : _('heard, not connected'),
		live: peer.session,
		latency: peer.rtt_us ? millis(peer.rtt_us) : '–',
		lends: peer.offers ? _('{n} of its lines', { n: peer.offers }) :
			(status.hosts || []).some((host) => host.node === peer.node) ? _('its address') : _('nothing now'),
		until: peer.certified_until ? new Date(peer.certified_until * 1000).toLocaleDateString() : '–',
		gave: bytes(given(status, peer.node)),
		took: bytes(taken(status, peer.node))
	})).concat(away.map((name) => ({ name, refused: true, state: _('not heard') })));
}

// Both directions of what is told in kbit/s.
function ways(down, up, told = (kbit) => rate(kbit * 1000)) {
	return _('{down} down, {up} up', { down: told(down), up: told(up) });
}

export function uplinkRows(status) {
	return status.uplinks.map((uplink) => {
		const [down, up] = [uplink.lend_down_kbit, uplink.lend_up_kbit];
		const limit = (kbit) => kbit ? rate(kbit * 1000) : _('all that is idle');
		return {
			name: uplink.name,
			device: uplink.ifname,
			state: uplink.up ? _('up') : _('down'),
			live: uplink.up,
			lent: _(uplink.lending),
			most: !uplink.lend ? '–' : down + up ? ways(down, up, limit) : limit(0),
			own: ways(uplink.own_down_kbit, uplink.own_up_kbit),
			expected: uplink.confidence ? ways(uplink.expected_down_kbit, uplink.expected_up_kbit) : _('not known yet'),
			plan: uplink
		};
	});
}

// Where new connections leave without an exit, if somebody shares an address.
export function hostRows(status) {
	const of = (name, share, most) => ({ name, share: _('{n} of {all}', { n: share, all: status.round }), most });
	const hosts = (status.hosts || []).map((host) => of(_('lent by {node}', host), host.share, host.down_kbit + host.up_kbit ? ways(host.down_kbit, host.up_kbit) : _('not known yet')));
	const own = status.uplinks.map((uplink) => uplink.name).join(', ');
	return hosts.length && own ? [of(_('own line {name}', { name: own }), status.own_share, '–'), ...hosts] : hosts;
}

function way(via) {
	return via === null ? '–' : pathName({ via, lent: via.includes('/') });
}

// Why the busiest flows go where they go.
export function flowRows(status) {
	return status.busiest.map((flow) => ({
		flow: flow.flow,
		packets: flow.packets_per_s ?? '–',
		kind: _(flow.kind),
		line: flow.paths.map(way).join(', '),
		second: way(flow.second),
		why: _(flow.why)
	}));
}

export function detailRows(status) {
	return status.paths.map((path) => ({
		...pathRow(path),
		queue: millis(path.queue_us),
		lost: percent(path.lost, path.lost + path.acked),
		repairs: path.repairs,
		deaths: path.deaths,
		mtu: path.mtu
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
		community: _('of another community'),
		mac: _('without the secret'),
		budget: _('over the budget'),
		certificate: _('without a certificate'),
		revoked: _('of a removed member'),
		input: _('over the mesh, to this router'),
		forward: _('over the mesh, through this router')
	};
}

export function refusedRows(status) {
	const names = refusals();
	const named = (why) => names[why] || why;
	return Object.entries({ ...status.refused, ...status.mesh_refused }).filter(([, count]) => count)
		.map(([why, count]) => ({ name: why.startsWith('handshake_') ? _('handshakes: {why}', { why: named(why.slice(10)) }) : named(why), count }));
}

// What is likely wrong, in the order of what to look at first.
export function findings(status) {
	const found = [];
	for (const uplink of status.uplinks.filter((one) => !one.up))
		found.push(_('Your line {name} ({device}) is down or has no default route.', { name: uplink.name, device: uplink.ifname }));
	if (status.peers.length === 0)
		found.push(_('No neighbour is heard. Is the mesh interface up, on the same channel and mesh ID as theirs?'));
	else if (!status.peers.some((peer) => peer.session))
		found.push(_('Neighbours are heard, but none connects. Do all have the same invitation?'));
	else if (!status.peers.some((peer) => peer.offers > 0) && hostRows(status).length === 0)
		found.push(_('No neighbour lends a line at the moment.'));
	for (const path of status.paths.filter((p) => p.state === 'dead'))
		found.push(_('Nothing comes through on: {path}.', { path: pathName(path) }));
	if (status.refused.other_version)
		found.push(_('A member has another version of burstmesh and must upgrade, or you must.'));
	if (status.dns_rescue)
		found.push(_('Your own line is down: names are looked up through the exit.'));
	return found;
}
