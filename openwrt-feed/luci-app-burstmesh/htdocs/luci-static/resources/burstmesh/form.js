// What the forms ask for, and which values are right: as docs/uci.md has it; a test compares.

import { _ } from './text.js';
import { isWhole } from './invitation.js';

const LANES = ['auto', 'per_packet', 'per_session'];

// A rate or a volume: 0, or a number with one of these units.
function amount(units, least, most) {
	return (text) => {
		const [, value, unit] = text.match(/^(\d+(?:[.]\d{1,3})?)([a-z]*)$/i) || [];
		const all = value * (unit ? units[unit.toLowerCase()] : 0);
		return Number(value) === 0 && all === 0 || all >= least && all <= most;
	};
}

// Minutes since midnight, NaN if it is no time of day.
function minutes(text) {
	const match = text.match(/^(\d{1,2}):([0-5]\d)$/);
	const time = match ? match[1] * 60 + Number(match[2]) : NaN;
	return time <= 24 * 60 ? time : NaN;
}

function isZone(text) {
	return text === '0' || (/^[+-]/.test(text) && minutes(text.slice(1)) <= 14 * 60);
}

function isHours(text) {
	const [from, to, more] = text.split('-').map(minutes);
	return more === undefined && from >= 0 && to >= 0 && from !== to;
}

// In bytes.
function length(text) {
	return new TextEncoder().encode(text).length;
}

function isDevice(text) {
	return length(text) <= 15 && /^[^\/:@\s]+$/.test(text) && !['.', '..', 'lo', 'bm0'].includes(text);
}

// A kind of values: whether one is right, and how a right one is.
function kind(is, how, words = []) {
	return { is, how, words };
}

function number(least, most) {
	return kind((text) => /^\d{1,5}$/.test(text) && text >= least && text <= most, _('A number from {least} to {most}.', { least, most }));
}

function among(...words) {
	return kind((text) => words.includes(text), _('One of: {words}.', { words: words.join(', ') }), words);
}

function isV4(text) {
	const parts = text.split('.');
	return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && part < 256);
}

// The browser's own parser of addresses decides.
function isV6(text) {
	return text.includes(':') && /^[\da-f:.]+$/i.test(text) && URL.canParse('http://[' + text + ']/');
}

// An address as a string of its bits.
function bits(address) {
	const pad = (number, width) => number.toString(2).padStart(width, '0');
	if (isV4(address))
		return address.split('.').map((part) => pad(Number(part), 8)).join('');
	const groups = (text) => text ? text.split(':').map((part) => pad(parseInt(part, 16), 16)) : [];
	const [head, tail] = new URL('http://[' + address + ']/').hostname.slice(1, -1).split('::');
	const zeros = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
	return groups(head).concat(Array(zeros).fill(pad(0, 16)), groups(tail)).join('');
}

// Bits beyond the length show a slip.
function isPrefix(text) {
	const [address, length, more] = text.split('/');
	if (more !== undefined || !(isV4(address) || isV6(address)))
		return false;
	const all = bits(address);
	return length === undefined ||
		number(0, all.length).is(length) && !all.slice(length).includes('1');
}

function isAddress(text) {
	const match = text.match(/^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/);
	return match !== null && number(1, 65535).is(match[3]) && (match[1] ? isV6(match[1]) : isV4(match[2]));
}

function isName(text) {
	return text && length(text) <= 32 && !/\p{Cc}/u.test(text);
}

function isKey(text) {
	return /^[a-z\d+\/]{43}=$/i.test(text);
}

// What a person made up has few different bytes, or can be typed.
function isSecret(text) {
	const bytes = isKey(text) ? [...atob(text)].map((char) => char.charCodeAt(0)) : [];
	return new Set(bytes).size >= 12 && !bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
}

// As the agent's schema names them.
export function kinds() {
	return {
		bool: among('0', '1'),
		device: kind(isDevice, _('As the router lists it, such as wan or br-lan.')),
		rate: kind(amount({ bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 }, 64e3, 100e9), _('With its unit, such as 20Mbit or 512kbit, at least 64kbit; or 0.')),
		volume: kind(amount({ mb: 1e6, gb: 1e9, tb: 1e12 }, 50e6, 1e15), _('With its unit, such as 500MB or 1.5TB, at least 50MB; or 0.')),
		'day of the month': number(1, 31),
		'time zone': kind(isZone, _('Hours and minutes east of UTC, such as +01:00 or -03:30; or 0.')),
		hours: kind(isHours, _('When it begins and ends, such as 22:00-07:00.')),
		port: number(1, 65535),
		prefix: kind(isPrefix, _('An address range, such as 198.51.100.0/24 or 2001:db8::/32.')),
		'prefix or name': kind((text) => isPrefix(text) || /^(?![\d.]+$)[a-z\d]+(([.]|-+)[a-z\d]+)*$/i.test(text), _('An address range, or a name such as example.org.')),
		'public key': kind(isKey, _('The 44 characters that burstmesh-proxy printed.')),
		secret: kind(isSecret, _('44 generated characters, or paste an invitation.')),
		'address:port': kind(isAddress, _('Such as 203.0.113.7:4455 or [2001:db8::7]:4455.')),
		invitation: kind(isWhole, _('The whole invitation, from bm1 to its last character.')),
		certificate: kind((text) => /^bmc1[A-Za-z\d+\/]{107}$/.test(text), _('The whole line, from bmc1 to its last character.')),
		text: kind(isName, _('1 to 32 characters, the same on every router.')),
		'log level': among('error', 'warn', 'info', 'debug', 'trace'),
		lane: among(...LANES),
		'lane or direct': among('direct', ...LANES),
		protocol: among('tcp', 'udp'),
		DSCP: number(0, 63),
		preference: number(0, 9),
		cost: number(0, 3),
		'node ID': kind((text) => /^[\da-f]{16}$/i.test(text), _('16 digits from 0 to f.')),
		'node ID=weight': kind((text) => /^[\da-f]{16}=[1-9]$/i.test(text), _('Such as {example}.', { example: 'a0a1a2a3a4a5a6a7=2' })),
		file: kind((text) => text[0] === '/' && text.length <= 128, _('The full path of a file.'))
	};
}

// Of these kinds it is 0 where nothing is set.
const ZERO = ['bool', 'rate', 'volume', 'time zone', 'preference', 'cost'];

function option(name, kind, title, help, more) {
	return { name, kind, title, help, list: false, required: false, preset: ZERO.includes(kind) ? '0' : null, ...more };
}

function section(title, named, most, ...options) {
	return { title, named, most, options };
}

// Sections of /etc/config/burstmesh with their options.
export function sections() {
	const [idle, kept] = [_('0: all that is idle.'), _('Never lent, of what the line was seen to carry.')];
	return {
		community: section(_('Community'), false, 1,
			option('invitation', 'invitation', _('Invitation'), _('Paste what a member or the admin gave you. It is as good as a key: hand it on only to those who should join.')),
			option('enabled', 'bool', _('Switched on'), _('Switched off, the router is as it was before.'), { preset: '1' }),
			option('no_uplink', 'bool', _('No line of its own'), _('This house lives from the lines of others.')),
			option('no_exit', 'bool', _('No exit'), _('Each connection leaves at one line, yours or that of a neighbour who shares its address.')),
			option('log_level', 'log level', _('Log'), _('How much goes to the system log.'), { preset: 'info' }),
			option('share_status', 'bool', _('Share the status'), _('Others may ask what this router lends and whom it reaches, never what its clients do.'), { preset: '1' }),
			option('share_log', 'bool', _('Share the log'), _('Others may read the last lines of the log.')),
			option('lane', 'lane', _('Lane'), _('auto: bursts use all lines. per_session: each connection keeps to one line.'), { preset: 'auto' }),
			option('refuse', 'node ID', _('Refused'), _('Neither uses the lines of the other.'), { list: true }),
			option('weight', 'node ID=weight', _('Weights'), _('Whose part of what is lent is larger.'), { list: true }),
			option('name', 'text', _('Name'), _('Only without an invitation.')),
			option('secret', 'secret', _('Secret'), _('Only without an invitation.')),
			option('admin_key', 'public key', _('Admin key'), _('Only without an invitation, if members have certificates.')),
			option('certificate', 'certificate', _('Certificate'), _('Only if the admin gave you one.')),
			option('key_file', 'file', _('Key file'), _('The private key of this router.'), { preset: '/etc/burstmesh/key' })
		),
		uplink: section(_('My lines'), true, 4,
			option('ifname', 'device', _('Device'), _('The device that has the address of the line, such as pppoe-wan.'), { required: true }),
			option('lend', 'bool', _('Lend it'), _('Others may use what is idle. Your own traffic always comes first.')),
			option('share_address', 'bool', _('Share its address'), _('Connections of neighbours may leave here without an exit. What they do is seen as coming from your address.')),
			option('lend_down', 'rate', _('Lend at most, down'), idle),
			option('lend_up', 'rate', _('Lend at most, up'), idle),
			option('reserve_down', 'rate', _('Kept for you, down'), kept),
			option('reserve_up', 'rate', _('Kept for you, up'), kept),
			option('default', 'bool', _('Preferred'), _('The line that direct traffic prefers; one at most.')),
			option('cap', 'volume', _('Monthly cap'), _('Your own use included. Lending slows down near it and stops at it; you are never cut. 0: no cap.')),
			option('reset_day', 'day of the month', _('Begins anew on'), _('A day of the month.'), { preset: '1' }),
			option('timezone', 'time zone', _('Time zone'), _('Where midnight is, all year the same.')),
			option('lend_hours', 'hours', _('Lend only at'), _('Parts of the day. Without any, always.'), { list: true }),
			option('cost', 'cost', _('Cost'), _('0 to 3: cheaper lines are filled first.')),
			option('metered', 'bool', _('Volume costs money'), _('Connections use it only while no other line carries them.'))
		),
		client: section(_('Networks that use the pool'), true, 8,
			option('ifname', 'device', _('Device'), _('Of a bridge its own name, such as br-lan.'), { required: true }),
			option('bypass', 'prefix or name', _('Always direct'), _('Destinations that never use the pool.'), { list: true }),
			option('gro', 'bool', _('Large segments'), _('Saves a slow router work where the driver can.'), { preset: '1' })
		),
		mesh: section(_('Mesh'), false, 4,
			option('ifname', 'device', _('Device'), _('Where the routers hear each other. Never part of a bridge.'), { required: true }),
			option('port', 'port', _('Port'), _('The same on every router.'), { preset: '4454' }),
			option('open', 'bool', _('Open to other services'), _('Otherwise neighbours reach nothing but burstmesh over the mesh.'))
		),
		exit: section(_('Exits'), true, 4,
			option('key', 'public key', _('Public key'), _('An exit is believed by its key alone.'), { required: true }),
			option('address', 'address:port', _('Addresses'), _('The best first.'), { list: true, required: true }),
			option('preference', 'preference', _('Preference'), _('The smallest is used while it answers; of equals the nearest.'))
		),
		rule: section(_('Lanes by rule'), false, 16,
			option('lane', 'lane or direct', _('Lane'), _('If all of the following is so; the first rule that fits counts.'), { required: true }),
			option('client', 'prefix', _('Device'), _('Devices of this house, by address.')),
			option('destination', 'prefix', _('Destination'), _('Addresses on the Internet.')),
			option('port', 'port', _('Port'), _('The port there.')),
			option('protocol', 'protocol', _('Protocol'), _('tcp or udp.')),
			option('dscp', 'DSCP', _('DSCP'), _('As the device gave it.'))
		)
	};
}

// Throws what is wrong with all sections together, if those of `kinds` can mend it.
export function whole(all, kinds) {
	const [about, of] = [sections(), (kind) => all.filter((one) => one['.type'] === kind)];
	const [full, lines] = [kinds.find((kind) => of(kind).length > about[kind].most), of('uplink')];
	const twice = kinds.flatMap(of).find((one) => all.some((other) => other !== one && one.ifname && other.ifname === one.ifname));
	const wrong = full ? _('{title}: at most {most}.', about[full]) :
		twice ? _('{ifname}: a device serves one purpose.', twice) :
		kinds.includes('uplink') && lines.filter((line) => line.default === '1').length > 1 ? _('Only one line can be preferred.') :
		kinds.includes('uplink') && lines.length < 1 && of('community')[0]?.no_uplink !== '1' ? _('Without a line, tick "No line of its own" under Community.') :
		kinds.includes('rule') && !of('rule').every((rule) => about.rule.options.slice(1).some(({ name }) => rule[name])) ? _('A rule must say what it is about.') : '';
	if (wrong)
		throw new Error(wrong);
}

// True, or what is right. An empty value means "not set".
export function judge(kind, value) {
	const rule = kinds()[kind];
	return value === '' || value === null || rule.is(value) ? true : rule.how;
}
