// The pages in a real browser, fed with statuses that the real agent gave, one a second.
// usage: node browse.mjs STATUSES.json FOLDER; prints what it found as JSON and leaves screenshots in FOLDER.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { app, resources } from '../luci/load.mjs';
import { contrast } from './contrast.mjs';

const [, , statuses, folder] = process.argv;
const HTML = '<!doctype html><html lang="en"><meta charset="utf-8"><title>burstmesh</title>' +
	'<meta name="viewport" content="width=device-width,initial-scale=1">' +
	'<style>body{font:15px/1.4 sans-serif;margin:1em;color:#222;background:#fff}.dark{color:#ddd;background:#222}' +
	'.table{width:100%;border-collapse:collapse}.td,.th{padding:.3em .6em;text-align:left;border-bottom:1px solid #8884}' +
	'.btn{font:inherit;padding:.3em 1em}</style><body><main></main></body></html>';
const SIZES = { desktop: { width: 1200, height: 900 }, phone: { width: 360, height: 740 } };
const PAGES = ['overview', 'uplinks', 'community', 'diagnostics'];

function serve() {
	const server = createServer((request, response) => {
		const script = request.url.match(/^\/burstmesh\/[a-z]+\.js$/);
		response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
		response.end(script ? readFileSync(resources + request.url) : HTML);
	});
	return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(server)));
}

// A translation as LuCI would bring it.
function catalogue(language) {
	const blocks = readFileSync(app + 'po/' + language + '/burstmesh.po', 'utf8').split('\n\n').slice(1);
	return Object.fromEntries(blocks.map((block) => block.match(/^msgid (".*")\nmsgstr (".*")/m).slice(1).map((text) => JSON.parse(text))));
}

// Runs in the browser: draws a page from all statuses, as a visitor would have seen them pass.
async function draw({ name, series, texts, dark }) {
	const load = (module) => import('/burstmesh/' + module + '.js');
	const [text, dom, pages, graph] = await Promise.all(['text', 'dom', 'pages', 'graph'].map(load));
	text.use((id) => (texts ? texts[id] || '!' + id : id));
	document.body.className = dark ? 'dark' : '';
	const acts = { pause: () => { window.paused = true; }, resume: () => {} };
	const history = new graph.History(120);
	const show = {
		overview: (status) => pages.overview(status, history, acts),
		uplinks: (status) => pages.uplinks(status, acts),
		community: (status) => pages.community(status, acts),
		diagnostics: (status) => pages.diagnostics(status, { check: '/etc/config/burstmesh: good', log: 'info: an exit answers' }, acts)
	}[name];
	const place = document.querySelector('main');
	series.forEach((status, second) => {
		history.record(second * 1000, status);
		dom.replace(place, show(status));
		if (second === 0)
			document.getElementById('bm-pause').focus();
	});
	document.getElementById('bm-pause').click();
	return {
		points: history.points.map((point) => ['down', 'up'].map((way) => history.total(point, way))),
		overflow: document.documentElement.scrollWidth - window.innerWidth,
		focused: document.activeElement.id,
		paused: window.paused === true,
		pictures: [...document.querySelectorAll('svg')].map((svg) => svg.getAttribute('aria-label')),
		areas: [...document.querySelectorAll('svg path')].map((path) => path.getBBox().height),
		tables: [...document.querySelectorAll('table')].map((table) => table.getAttribute('aria-label')),
		rows: document.querySelectorAll('tr:not(.table-titles)').length,
		text: document.querySelector('main').innerText
	};
}

const series = JSON.parse(readFileSync(statuses, 'utf8'));
const server = await serve();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const found = { errors: [], pages: {} };
for (const [size, viewport] of Object.entries(SIZES))
	for (const name of PAGES)
		for (const [look, texts, dark] of [['', null, false], ['-dark', null, true], ['-de', catalogue('de'), false], ['-es', catalogue('es'), false]]) {
			if (look !== '' && name !== 'overview')
				continue;
			const page = await browser.newPage({ viewport });
			page.on('pageerror', (error) => found.errors.push(String(error)));
			page.on('console', (message) => message.type() === 'error' && found.errors.push(message.text()));
			await page.goto('http://127.0.0.1:' + server.address().port + '/');
			const seen = await page.evaluate(draw, { name, series, texts, dark });
			seen.contrast = await page.evaluate(contrast);
			found.pages[name + '-' + size + look] = seen;
			await page.screenshot({ path: folder + '/' + name + '-' + size + look + '.png', fullPage: true });
			await page.close();
		}
await browser.close();
server.close();
console.log(JSON.stringify(found));
