// The pages in a real browser, fed with what the real agent told, one status a second.
// usage: node browse.mjs TOLD.json FOLDER; prints what it found as JSON and leaves screenshots in FOLDER.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { app, resources, scripts } from '../luci/load.mjs';
import { contrast } from './contrast.mjs';

const [, , told, folder] = process.argv;
const HTML = '<!doctype html><html lang="en"><meta charset="utf-8"><title>burstmesh</title>' +
	'<meta name="viewport" content="width=device-width,initial-scale=1">' +
	'<style>body{font:15px/1.4 sans-serif;margin:1em;color:#222;background:#fff}.dark{color:#ddd;background:#222}' +
	'.table{width:100%;border-collapse:collapse}.td,.th{padding:.3em .6em;text-align:left;border-bottom:1px solid #8884}' +
	'.btn{font:inherit;padding:.3em 1em}</style><body><main></main></body></html>';
const SIZES = { desktop: { width: 1200, height: 900 }, phone: { width: 360, height: 740 } };
const PAGES = ['overview', 'uplinks', 'community', 'ledger', 'diagnostics'];

function serve() {
	const server = createServer((request, response) => {
		const [script] = request.url.match(/^\/burstmesh\/[a-z]+\.js(?=\?v=1$)/) || [];
		response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
		response.end(script ? readFileSync(resources + script) : HTML);
	});
	return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(server)));
}

// A translation as LuCI would bring it.
function catalogue(language) {
	const blocks = readFileSync(app + 'po/' + language + '/burstmesh.po', 'utf8').split('\n\n').slice(1);
	return Object.fromEntries(blocks.map((block) => block.match(/^msgid (".*")\nmsgstr (".*")/m).slice(1).map((text) => JSON.parse(text))));
}

// Runs in the browser: draws a page from all statuses, as a visitor would have seen them pass.
async function draw({ name, told, texts, dark, modules }) {
	// As the glue does it: every module has a version, also where another imports it. Without one the server has none.
	const imports = Object.fromEntries(modules.map((path) => [path, path + '?v=1']));
	document.head.appendChild(Object.assign(document.createElement('script'), { type: 'importmap', textContent: JSON.stringify({ imports }) }));
	const load = (module) => import('/burstmesh/' + module + '.js');
	const [text, dom, pages, graph, watches] = await Promise.all(['text', 'dom', 'pages', 'graph', 'watch'].map(load));
	text.use((id) => (texts ? texts[id] || '!' + id : id));
	document.body.className = dark ? 'dark' : '';
	const refused = [];
	const refuse = (node, on) => {
		refused.splice(0, 1, ...(on ? [node] : []));
		dom.replace(place, show(told.series.at(-1)));
	};
	const acts = { pause: () => { window.paused = true; }, resume: () => {}, refused: () => refused, refuse };
	const history = new graph.History(120);
	// Somebody has begun to watch the lines.
	const watch = new watches.Watch(10);
	const extra = { check: '/etc/config/burstmesh: good', log: 'info: an exit answers', watch, begin: () => {} };
	const show = {
		overview: (status) => pages.overview(status, history, acts),
		uplinks: (status) => pages.uplinks(status, acts),
		community: (status) => pages.community(status, acts),
		ledger: (status) => pages.ledger(status, told.ledger, acts),
		diagnostics: (status) => pages.diagnostics(status, extra, acts)
	}[name];
	const [place, first, last] = ['div', 'div', 'div'].map((tag) => document.querySelector('main').appendChild(document.createElement(tag)));
	if (name === 'community') {
		dom.replace(last, pages.invitation(null, () => {}));
		dom.replace(first, pages.scan(false, '', () => {}));
	}
	told.series.forEach((status, second) => {
		history.record(second * 1000, status);
		watch.record(second * 1000, status);
		dom.replace(place, show(status));
		if (second === 0)
			document.getElementById('bm-pause').focus();
	});
	// A text that somebody selects is not taken from under the pointer.
	const state = document.querySelector('.bm-state strong');
	getSelection().selectAllChildren(state);
	dom.replace(place, show(told.series.at(-1)));
	const selected = String(getSelection());
	getSelection().removeAllRanges();
	// What has not changed is not made anew; what has changed is.
	dom.replace(place, show({ ...told.series.at(-1), uptime_s: 1e6 }));
	document.getElementById('bm-pause').click();
	// A page that opens at the end: what the agent remembers is there at once.
	const late = new graph.History(120);
	late.recall(0, told.series.at(-1), told.history);
	const whole = new graph.History(120);
	[told.before, ...told.series, told.after].forEach((status, second) => whole.record(second * 1000, status));
	return {
		recalled: late.points.map((point) => ['down', 'up'].map((way) => late.total(point, way))),
		parts: whole.points.map((point) => whole.layers.map((layer) => ['down', 'up'].map((way) => point[way][layer.name] || 0))),
		points: history.points.map((point) => ['down', 'up'].map((way) => history.total(point, way))),
		overflow: document.documentElement.scrollWidth - window.innerWidth,
		selected,
		kept: state.isConnected,
		renewed: place.innerText.includes('11 d 13:46:40'),
		focused: document.activeElement.id,
		paused: window.paused === true,
		pictures: [...document.querySelectorAll('svg')].map((svg) => svg.getAttribute('aria-label')),
		areas: [...document.querySelectorAll('svg path')].map((path) => path.getBBox().height),
		tables: [...document.querySelectorAll('table')].map((table) => table.getAttribute('aria-label')),
		bars: [...document.querySelectorAll('meter')].map((bar) => [bar.getAttribute('aria-label'), bar.getBoundingClientRect().width]),
		rows: document.querySelectorAll('tr:not(.table-titles)').length,
		text: document.querySelector('main').innerText
	};
}

const modules = scripts().map(([name]) => '/' + name).filter((name) => name.startsWith('/burstmesh/') && !name.endsWith('/glue.js'));
const input = JSON.parse(readFileSync(told, 'utf8'));
const server = await serve();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const found = { errors: [], pages: {} };

// Refuses the neighbour and shares with it again, by keyboard: what the button says each time, what was asked, and where the focus is.
async function trust(page) {
	const asked = [];
	page.on('dialog', (dialog) => {
		asked.push(dialog.message());
		return asked.length === 1 ? dialog.dismiss() : dialog.accept();
	});
	const button = page.locator('[id^=bm-trust-]');
	const seen = [await button.innerText()];
	await button.focus();
	for (let press = 0; press < 3; press += 1) {
		await page.keyboard.press('Enter');
		seen.push(await button.innerText());
	}
	return { seen, asked, focused: await page.evaluate(() => document.activeElement.id) };
}

async function visit(size, name, [look, texts, dark]) {
	const page = await browser.newPage({ viewport: SIZES[size] });
	page.on('pageerror', (error) => found.errors.push(String(error)));
	page.on('console', (message) => message.type() === 'error' && found.errors.push(message.text()));
	await page.goto('http://127.0.0.1:' + server.address().port + '/');
	const seen = await page.evaluate(draw, { name, told: input, texts, dark, modules });
	Object.assign(seen, await page.evaluate(contrast));
	if (name === 'community')
		seen.trust = await trust(page);
	found.pages[name + '-' + size + look] = seen;
	await page.screenshot({ path: folder + '/' + name + '-' + size + look + '.png', fullPage: true });
	await page.close();
}

// Each page at both sizes; the overview in every look, the others in all languages where there is least room.
const looks = [['', null, false], ['-dark', null, true], ['-de', catalogue('de'), false], ['-es', catalogue('es'), false]];
const visits = Object.keys(SIZES).flatMap((size) => PAGES.flatMap((name) => looks
	.filter(([look]) => name === 'overview' || look === '' || (look !== '-dark' && size === 'phone'))
	.map((look) => () => visit(size, name, look))));
const visitor = async () => {
	while (visits.length > 0)
		await visits.shift()();
};
await Promise.all([visitor(), visitor()]);
await browser.close();
server.close();
console.log(JSON.stringify(found));
