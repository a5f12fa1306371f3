// Asks the exit every two seconds and draws what it says. The token comes with the link, behind the #, where no server log sees it.

import { replace } from './dom.js';
import { History } from './graph.js';
import { page, sample } from './show.js';

const place = document.querySelector('main');
const history = new History(120, (path) => path.via);

function token() {
	const given = decodeURIComponent(location.hash.slice(1));
	if (given) {
		sessionStorage.setItem('token', given);
		window.history.replaceState(null, '', location.pathname);
	}
	return sessionStorage.getItem('token') || '';
}

function ask(problem) {
	replace(place, ['div', {}, ['h1', {}, 'burstmesh exit'], ['p', { role: 'alert' }, problem],
		['label', { for: 'token' }, 'Token, as burstmesh-proxy dashboard prints it: '], ['input', { id: 'token', type: 'password', autocomplete: 'off' }],
		['button', { onclick: () => {
			sessionStorage.setItem('token', document.getElementById('token').value.trim());
			look();
		} }, 'Show']]);
}

// What members used by day; asked for once a minute, as it is written.
let [ledger, asked] = [null, -Infinity];

function get(what) {
	return fetch(what, { headers: { Authorization: 'Bearer ' + token() }, cache: 'no-store' });
}

async function look() {
	try {
		const answer = await get('status');
		if (answer.status === 401)
			return ask(token() ? 'This token is not this exit’s.' : 'This page needs a token.');
		if (!answer.ok)
			throw new Error(await answer.text());
		const status = await answer.json();
		history.record(performance.now(), sample(status));
		if (performance.now() - asked > 60_000) {
			asked = performance.now();
			// Without it the rest of the page is shown all the same.
			ledger = await get('ledger').then((book) => book.json()).catch(() => ledger);
		}
		replace(place, page(status, history, Date.now() / 1000, ledger));
	} catch (error) {
		history.record(performance.now(), null);
		replace(place, ['div', {}, ['h1', {}, 'burstmesh exit'], ['p', { class: 'state warning', role: 'alert' }, 'The exit does not answer: ' + error.message]]);
	}
	setTimeout(look, 2000);
}

look();
