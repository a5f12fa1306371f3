// An invitation ends in the first four bytes of the BLAKE2s-256 (RFC 7693) of all before them.

const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
// Which word of a block each step of a round takes.
const ORDER = ['0123456789abcdef', 'ea489fd61c02b753', 'b8c052fdae367194', '7931dcbe265a40f8', '905724afe1bc683d',
	'2c6a0b834d75fe19', 'c51fed4a0763928b', 'db7ec13950f4862a', '6fe9b308c2d714a5', 'a2847615fb9e3cd0'];
const STEPS = ['048c', '159d', '26ae', '37bf', '05af', '16bc', '278d', '349e'];

const places = (digits) => [...digits].map((digit) => parseInt(digit, 16));
const turn = (word, by) => (word >>> by) | (word << (32 - by));

function compress(state, block, length, last) {
	const words = new DataView(block.buffer, block.byteOffset, 64);
	const v = Int32Array.from([...state, ...START]);
	v[12] ^= length;
	v[14] ^= last ? -1 : 0;
	for (const order of ORDER.map(places))
		STEPS.map(places).forEach(([a, b, c, d], step) => {
			[[16, 12], [8, 7]].forEach(([first, second], half) => {
				v[a] += v[b] + words.getInt32(4 * order[2 * step + half], true);
				v[d] = turn(v[d] ^ v[a], first);
				v[c] += v[d];
				v[b] = turn(v[b] ^ v[c], second);
			});
		});
	state.forEach((word, n) => {
		state[n] = word ^ v[n] ^ v[n + 8];
	});
}

// BLAKE2s-256 without a key, as bytes.
export function blake2s(bytes) {
	const state = Int32Array.from(START);
	state[0] ^= 0x01010020;
	const blocks = Math.max(1, Math.ceil(bytes.length / 64));
	const padded = new Uint8Array(64 * blocks);
	padded.set(bytes);
	for (let n = 0; n < blocks; n += 1)
		compress(state, padded.subarray(64 * n, 64 * n + 64), Math.min(bytes.length, 64 * n + 64), n === blocks - 1);
	const out = new DataView(new ArrayBuffer(32));
	state.forEach((word, n) => out.setInt32(4 * n, word, true));
	return new Uint8Array(out.buffer);
}

// Mail programs wrap long lines.
export function isWhole(text) {
	const [, code] = text.replace(/\s/g, '').match(/^bm1([A-Za-z0-9_-]{40,})$/) || [];
	if (!code || code.length % 4 === 1)
		return false;
	const bytes = Uint8Array.from(atob(code.replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt(0));
	// With bm1 in front.
	const [body, check] = [bytes.subarray(0, -4), bytes.subarray(-4)];
	const sum = blake2s(Uint8Array.from([98, 109, 49, ...body]));
	return check.every((byte, n) => byte === sum[n]);
}
