// The decoder reads what its own library draws; from photographs, see tests/pages.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { module } from './load.mjs';

test('a drawn code is read', async () => {
	const [{ default: draw }, { default: decode }] = [await module('qr/index'), await module('qr/decode')];
	const text = 'bm1' + 'CGhpbGxzaWRl'.repeat(12);
	const cells = draw(text, 'raw', { scale: 4, border: 4 });
	const side = cells.length;
	const data = new Uint8ClampedArray(4 * side * side).fill(255);
	cells.flat().forEach((dark, n) => dark && data.fill(0, 4 * n, 4 * n + 3));
	assert.equal(decode({ width: side, height: side, data }), text);
});
