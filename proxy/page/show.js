// The exit's page as trees (see dom.js), from one status after another.

import { graph } from './graph.js';
import { bytes, duration, rate } from './units.js';

// The address of a path's uplink, without the port, which changes with a router's mapping.
export function uplink(path) {
	return path.via.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

function livePaths(status) {
	return status.communities.flatMap((community) => community.members.flatMap((member) =>
		member.live ? member.live.paths.map((path) => ({ member, path })) : []));
}

// What the graph reads: bytes over each uplink, whoever's they are.
export function sample(status) {
	const uplinks = new Map();
	for (const { path } of livePaths(status)) {
		const address = uplink(path);
		const entry = uplinks.get(address) || { via: address, lent: false, rx_bytes: 0, tx_bytes: 0 };
		entry.rx_bytes += path.down.bytes;
		entry.tx_bytes += path.up.bytes;
		uplinks.set(address, entry);
	}
	return { paths: [...uplinks.values()] };
}

export function headline(status) {
	const members = status.communities.flatMap((community) => community.members);
	const here = members.filter((member) => member.live);
	if (status.communities.length === 0)
		return { level: 'warning', text: 'There is no community yet: burstmesh-proxy community add NAME' };
	if (here.length === 0)
		return { level: 'warning', text: 'No member is here.' };
	const lines = sample(status).paths.length;
	const count = (n, one, many) => n + ' ' + (n === 1 ? one : many);
	return { level: 'good', text: here.length + ' of ' + count(members.length, 'member', 'members') + ' here, over ' + count(lines, 'line', 'lines') + '.' };
}

// How long ago, in words; `now` in seconds since 1970.
export function ago(now, then) {
	if (then === null)
		return 'never';
	const seconds = Math.max(0, now - then);
	const [amount, unit] = [[86400, 'd'], [3600, 'h'], [60, 'min']].map(([size, name]) => [Math.floor(seconds / size), name]).find(([n]) => n > 0) || [0, ''];
	return amount > 0 ? amount + ' ' + unit + ' ago' : 'just now';
}

function memberRow(now, member) {
	const { live } = member;
	return {
		who: member.name || member.node_id,
		state: member.revoked ? 'shut out' : live ? 'here' : 'seen ' + ago(now, member.last_seen),
		address: [member.lease_v4, member.lease_v6].filter(Boolean).join(', '),
		down: live ? bytes(live.down.bytes) : '–',
		up: live ? bytes(live.up.bytes) : '–',
		dropped: live ? Object.values(live.drops).reduce((sum, n) => sum + n, 0) : '–'
	};
}

function pathRow({ member, path }) {
	return {
		who: member.name || member.node_id,
		via: uplink(path),
		state: path.state,
		rate: rate(path.rate_bps),
		delay: path.delay_ms.toFixed(1) + ' ms',
		loss: (100 * path.loss).toFixed(1) + ' %',
		down: bytes(path.down.bytes),
		up: bytes(path.up.bytes)
	};
}

const MEMBER = [['who', 'Member'], ['state', 'State'], ['address', 'Address'], ['down', 'Received', 1], ['up', 'Sent', 1], ['dropped', 'Packets dropped', 1]];
const PATH = [['who', 'Member'], ['via', 'Uplink'], ['state', 'State'], ['rate', 'Carries', 1], ['delay', 'Round trip', 1], ['loss', 'Loss', 1], ['down', 'Down', 1], ['up', 'Up', 1]];
const DAY = [['day', 'Day'], ['who', 'Member'], ['down', 'Received', 1], ['up', 'Sent', 1]];
// Lines of the ledger that the page shows: a month of a dozen members.
const LINES = 400;
const COUNT = [['what', 'What'], ['count', 'Count', 1]];

function table(caption, columns, rows, nothing) {
	if (rows.length === 0)
		return ['section', {}, ['h2', {}, caption], ['p', {}, nothing]];
	const kind = ([, , number]) => (number ? 'number' : null);
	return ['section', {}, ['h2', {}, caption], ['div', { class: 'scroll' }, ['table', { 'aria-label': caption },
		['thead', {}, ['tr', {}, ...columns.map((column) => ['th', { scope: 'col', class: kind(column) }, column[1]])]],
		['tbody', {}, ...rows.map((row) => ['tr', {}, ...columns.map((column) => ['td', { class: kind(column), 'data-title': column[1] }, row[column[0]]])])]]]];
}

function health(status) {
	const { seats } = status;
	return ['p', {}, 'Version ' + status.version + ', running for ' + duration(status.uptime_seconds) + '. Sessions: ' + seats.taken + ' of ' + seats.most +
		'; packet memory: ' + bytes(seats.memory_bytes) + ' of ' + bytes(seats.memory_most_bytes) + '.'];
}

function refused(status) {
	const firewall = status.firewall.filter((counter) => counter.refusal).map((counter) => [counter.about || counter.name, counter.packets]);
	return [...Object.entries(status.refusals), ...firewall].filter(([, count]) => count > 0).map(([what, count]) => ({ what, count }));
}

// What members used, by day; `ledger` is null until it is here.
function days(ledger) {
	const several = new Set((ledger || []).map((entry) => entry.community)).size > 1;
	return table('By day', DAY, (ledger || []).slice(0, LINES).map((entry) => ({
		day: entry.day, who: several ? entry.member + ', ' + entry.community : entry.member, down: bytes(entry.down_bytes), up: bytes(entry.up_bytes)
	})), 'Nothing is booked yet: it is done once a minute.');
}

// The page; `now` in seconds since 1970.
export function page(status, history, now, ledger) {
	const { level, text } = headline(status);
	return ['div', {}, ['h1', {}, 'burstmesh exit'], ['p', { class: 'state ' + level, role: 'status' }, text], health(status),
		['div', { class: 'bm-graphs' }, graph(history, 'down', 'To members'), graph(history, 'up', 'From members')],
		...status.communities.map((community) => table('Community ' + community.name, MEMBER, community.members.map((member) => memberRow(now, member)),
			'Nobody yet. Invite: burstmesh-proxy invite "' + community.name + '"')),
		table('Paths', PATH, livePaths(status).map(pathRow), 'None.'),
		days(ledger),
		table('Refused since the start', COUNT, refused(status), 'Nothing.'),
		['p', {}, 'Amounts of members and paths are since their session began; days are by UTC, and forgotten after 400. This page only shows; changes are made by burstmesh-proxy on the server.']];
}
