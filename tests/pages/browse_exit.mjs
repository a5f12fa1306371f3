// The exit's own page in a real browser, served by the real exit. Runs where the exit's address is, in its namespace.
// usage: node browse_exit.mjs LINK FOLDER; prints what it found as JSON and leaves screenshots in FOLDER.

import { chromium } from 'playwright-core';
import { contrast } from './contrast.mjs';

const [, , link, folder] = process.argv;
const SIZES = { desktop: { width: 1200, height: 900 }, phone: { width: 360, height: 740 } };
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const found = { errors: [], pages: {} };

async function open(look) {
	const context = await browser.newContext(look);
	const page = await context.newPage();
	page.on('pageerror', (error) => found.errors.push(String(error)));
	return page;
}

// Runs in the browser: what a visitor sees.
function see() {
	return {
		overflow: document.documentElement.scrollWidth - window.innerWidth,
		address: location.href,
		pictures: [...document.querySelectorAll('svg')].map((svg) => svg.getAttribute('aria-label')),
		areas: [...document.querySelectorAll('svg path')].map((path) => path.getBBox().height),
		tables: [...document.querySelectorAll('table')].map((table) => table.getAttribute('aria-label')),
		text: document.querySelector('main').innerText
	};
}

async function visit(size, colorScheme) {
	const page = await open({ viewport: SIZES[size], colorScheme });
	await page.goto(link);
	await page.locator('svg path').first().waitFor({ state: 'attached', timeout: 20_000 });
	await page.waitForTimeout(2500);
	const name = size + '-' + colorScheme;
	found.pages[name] = { ...await page.evaluate(see), contrast: (await page.evaluate(contrast)).texts };
	await page.screenshot({ path: folder + '/exit-' + name + '.png', fullPage: true });
	await page.close();
}

// Together, for each waits until it has something to show.
await Promise.all(Object.keys(SIZES).flatMap((size) => ['light', 'dark'].map((colorScheme) => visit(size, colorScheme))));

// Without the token there is nothing to see, and it can be typed.
const page = await open({ viewport: SIZES.desktop });
await page.goto(link.replace(/#.*/, ''));
await page.waitForSelector('#token');
found.locked = await page.evaluate(see);
await page.fill('#token', 'wrong');
await page.keyboard.press('Tab');
await page.keyboard.press('Enter');
await page.getByText('not this exit').waitFor();
await page.fill('#token', link.replace(/.*#/, ''));
await page.keyboard.press('Tab');
await page.keyboard.press('Enter');
await page.waitForSelector('table');
found.unlocked = await page.evaluate(see);
await browser.close();
console.log(JSON.stringify(found));
