// The app's files as the tests see them.

import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const app = fileURLToPath(new URL('../../openwrt-feed/luci-app-burstmesh/', import.meta.url));
// Elsewhere, when a test has made something of them.
export const resources = process.env.BURSTMESH_RESOURCES || app + 'htdocs/luci-static/resources/';
export const tree = fileURLToPath(new URL('../../', import.meta.url));

export function read(path) {
	return readFileSync(path, 'utf8');
}

export function json(path) {
	return JSON.parse(read(path));
}

// A status that the real program gave, from two houses with two lines and a download.
export function sample() {
	return json(new URL('status.json', import.meta.url));
}

// Every .js file of ours below the resources, as [name, text]; the decoder in qr/ is somebody else's.
export function scripts() {
	const names = readdirSync(resources, { recursive: true }).filter((name) => name.endsWith('.js') && !name.includes('/qr/'));
	return names.sort().map((name) => [name, read(resources + name)]);
}

export function module(name) {
	return import(resources + 'burstmesh/' + name + '.js');
}
