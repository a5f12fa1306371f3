// An invitation's code as the exit draws it, photographed in several ways and scanned by the page in a real browser.
// usage: node browse_scan.mjs CODE.txt FOLDER; prints what each picture was read as, as JSON, and leaves screenshots in FOLDER.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { resources } from '../luci/load.mjs';

const [, , drawn, folder] = process.argv;
const lines = readFileSync(drawn, 'utf8').split('\n').filter((line) => line !== '' && !/[^ █▀▄]/.test(line));

const server = createServer((request, response) => {
	const script = request.url.endsWith('.js');
	response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
	response.end(script ? readFileSync(resources + request.url) : '<!doctype html><meta name="viewport" content="width=device-width"><main></main>');
});
// By a name, as a router is met: not what a browser takes for secure, which it would of this machine's own address.
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const address = 'http://router.test:' + server.address().port + '/';

// Runs in the browser: the code on a picture of a telephone's size.
async function photograph({ lines, look }) {
	const pen = (width, height) => Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
	const unit = 16;
	const code = pen(lines[0].length * unit, lines.length * 2 * unit);
	code.fillStyle = '#f4f1ea';
	code.fillRect(0, 0, 1e5, 1e5);
	code.fillStyle = '#1c1a20';
	lines.forEach((line, row) => [...line].forEach((block, column) => [['▀', 0], ['▄', 1]].forEach(([half, below]) => {
		if (block === '█' || block === half)
			code.fillRect(column * unit, (row * 2 + below) * unit, unit, unit);
	})));
	if (look.whole)
		return code.canvas.toDataURL('image/png').split(',')[1];
	const [width, height] = [1800, 2400];
	const photo = pen(width, height);
	photo.fillStyle = '#6a7068';
	photo.fillRect(0, 0, width, height);
	photo.filter = 'blur(' + look.blur + 'px) brightness(' + look.light + ')';
	photo.setTransform(look.size * Math.cos(look.turn), look.size * Math.sin(look.turn), look.slant - look.size * Math.sin(look.turn), look.size * Math.cos(look.turn), width / 2, height / 2);
	if (!look.empty)
		photo.drawImage(code.canvas, -code.canvas.width / 2, -code.canvas.height / 2);
	photo.setTransform(1, 0, 0, 1, 0, 0);
	photo.filter = 'none';
	// Light from one side, and a sensor's noise; the same each time.
	const shade = photo.createLinearGradient(0, 0, width, 0);
	shade.addColorStop(0, 'rgba(0,0,0,.45)');
	shade.addColorStop(1, 'rgba(0,0,0,0)');
	photo.fillStyle = shade;
	photo.fillRect(0, 0, width, height);
	const pixels = photo.getImageData(0, 0, width, height);
	let seed = 1;
	for (let n = 0; n < pixels.data.length; n += 4) {
		seed = (seed * 1103515245 + 12345) % 2147483648;
		const noise = (seed >> 16) % 24 - 12;
		for (let colour = n; colour < n + 3; colour += 1)
			pixels.data[colour] += noise;
	}
	photo.putImageData(pixels, 0, 0);
	return photo.canvas.toDataURL('image/jpeg', 0.8).split(',')[1];
}

// Runs in the browser: the page's own place for scanning, and a form of one field.
async function offer() {
	const [dom, pages, scan] = await Promise.all(['dom', 'pages', 'scan'].map((name) => import('/burstmesh/' + name + '.js')));
	const place = document.querySelector('main');
	const show = (note) => dom.replace(place, pages.scan(true, note, async (file) => {
		window.read = await scan.read(file);
		show(scan.note(window.read));
	}));
	show('');
	return isSecureContext;
}

const PHOTO = { size: 1.2, turn: 0.05, slant: 0, blur: 2, light: 1 };
const looks = {
	'the code itself': { whole: true },
	'a photograph': PHOTO,
	'turned, slanted and small': { ...PHOTO, size: 0.8, turn: 0.5, slant: 0.3 },
	'near': { ...PHOTO, size: 2, turn: 0 },
	'dark and blurred': { ...PHOTO, blur: 5, light: 0.6 },
	'no code': { ...PHOTO, empty: true }
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--host-resolver-rules=MAP router.test 127.0.0.1'] });
const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
const found = { errors: [], read: {} };
page.on('pageerror', (error) => found.errors.push(String(error)));
const fetched = [];
page.on('request', (request) => fetched.push(new URL(request.url()).pathname));
await page.goto(address);
found.secure = await page.evaluate(offer);
found.early = fetched.filter((path) => path.includes('/qr/'));
found.labels = await page.evaluate(() => [...document.querySelectorAll('input')].map((input) => input.labels.length));
found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
for (const [name, look] of Object.entries(looks)) {
	const buffer = Buffer.from(await page.evaluate(photograph, { lines, look }), 'base64');
	await page.evaluate(() => { delete window.read; });
	await page.setInputFiles('#bm-picture', { name: 'picture', mimeType: look.whole ? 'image/png' : 'image/jpeg', buffer });
	await page.waitForFunction(() => window.read !== undefined);
	found.read[name] = await page.evaluate(() => [window.read, document.querySelector('[role=status]').innerText]);
}
await page.setInputFiles('#bm-picture', { name: 'text', mimeType: 'text/plain', buffer: Buffer.from('no picture') });
await page.waitForFunction(() => window.read === null);
await page.screenshot({ path: folder + '/scan-phone.png', fullPage: true });
await browser.close();
server.close();
console.log(JSON.stringify(found));
