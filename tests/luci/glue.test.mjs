// A contract test of the glue: it runs against recording stand-ins for LuCI, which show what it asks of LuCI and nothing more.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import vm from 'node:vm';
import { json, app, module, read, resources, sample } from './load.mjs';

// An element, as far as anything here uses one.
class Element {
	constructor(tag) {
		Object.assign(this, { tag, attributes: {}, children: [], actions: {}, ownerDocument: page });
	}
	setAttribute(name, value) { this.attributes[name] = value; }
	addEventListener(name, action) { this.actions[name] = action; }
	appendChild(child) { this.children.push(child); }
	replaceChildren(...children) { this.children = children; }
	contains() { return false; }
	find(tag) {
		return this.tag === tag ? this : this.children.map((child) => child instanceof Element && child.find(tag)).find(Boolean);
	}
}
const page = {
	createElement: (tag) => new Element(tag),
	createElementNS: (_, tag) => new Element(tag),
	createTextNode: (text) => text,
	createDocumentFragment: () => new Element('fragment'),
	activeElement: null
};

// LuCI around one view; `answers` gives each command's answer, `may` whether the visitor may act.
function luci(answers, may) {
	const asked = { commands: [], calls: [], polls: [], sections: [] };
	const option = (widget, name) => ({ widget, name });
	class Section {
		constructor(type) { Object.assign(this, { type, options: [] }); }
		option(widget, name) {
			this.options.push(option(widget, name));
			return this.options.at(-1);
		}
	}
	const parts = {
		baseclass: { extend: (what) => what },
		view: { extend: (what) => what },
		fs: { exec: async (program, words) => {
			asked.commands.push([program, ...words].join(' '));
			return answers[[program, ...words].join(' ')] || { code: 3, stdout: '', stderr: 'the agent is not running' };
		} },
		poll: { add: (action, seconds) => asked.polls.push([action, seconds]) },
		// As LuCI's own: an object that nobody has published is an error of its own number, and so is what the visitor may not do.
		rpc: { declare: (method) => async (...values) => {
			asked.calls.push([method.object, method.method, ...values]);
			if (method.method !== 'status')
				return;
			if (!answers.status)
				throw new Error('RPC call to burstmesh/status failed with error -32000: Object not found');
			return answers.status;
		} },
		form: {
			Flag: 'flag', Value: 'value', DynamicList: 'list', TypedSection: 'typed',
			Map: class {
				constructor(config) { asked.map = config; }
				section(_, type) {
					asked.sections.push(new Section(type));
					return asked.sections.at(-1);
				}
				async render() { return new Element('form'); }
			}
		},
		'tools.widgets': { DeviceSelect: 'device' }
	};
	const L = { resource: (path) => path, hasViewPermission: () => may };
	const E = (tag) => new Element(Array.isArray(tag) ? 'fragment' : tag);
	const load = (path) => {
		const text = read(resources + path).replace('import(', 'load(');
		const names = [...text.matchAll(/^'require ([\w.]+)(?: as (\w+))?';$/gm)].map(([, name, as]) => [as || name, name]);
		const given = names.map(([, name]) => (name === 'burstmesh.glue' ? load('burstmesh/glue.js') : parts[name]));
		assert.ok(given.every(Boolean), path + ' requires something that LuCI is not known for');
		const globals = { L, E, _: (text) => text, document: page, performance, load: (name) => module(name.split('/').pop().replace('.js', '')) };
		const body = vm.compileFunction(text, [...Object.keys(globals), ...names.map(([as]) => as)]);
		return body(...Object.values(globals), ...given);
	};
	return { asked, open: async (name) => {
		const view = load(name);
		return view.render(await view.load());
	} };
}

const running = { status: sample(), '/usr/bin/burstmesh check': { code: 0, stdout: 'good' }, '/sbin/logread -e burstmesh': { code: 0, stdout: 'a line' } };
const views = Object.values(json(app + 'root/usr/share/luci/menu.d/luci-app-burstmesh.json')).filter((entry) => entry.action.type === 'view').map((entry) => entry.action.path);

for (const path of views)
	test('the view ' + path + ' is drawn, with and without an agent, and drawn anew', async () => {
		for (const answers of [running, {}]) {
			const { asked, open } = luci(answers, true);
			await open('view/' + path + '.js');
			assert.equal(asked.polls.length, 1);
			await asked.polls[0][0]();
			assert.equal(asked.calls.filter(([object, method]) => object === 'burstmesh' && method === 'status').length, 2);
		}
	});

test('the button pauses, ends a pause, and starts what does not run', async () => {
	const paused = { ...running, status: { ...sample(), pause_s: 60 } };
	for (const [answers, call] of [[running, ['burstmesh', 'pause']], [paused, ['burstmesh', 'resume']], [{}, ['luci', 'setInitAction', 'burstmesh', 'start']]]) {
		const { asked, open } = luci(answers, true);
		(await open('view/burstmesh/overview.js')).find('button').actions.click();
		assert.deepEqual(asked.calls.at(-1), call);
	}
	const { open } = luci(running, false);
	assert.equal((await open('view/burstmesh/overview.js')).find('button'), undefined);
});

test('forms have a widget for each option, and judge what is typed', async () => {
	const { asked, open } = luci(running, true);
	await open('view/burstmesh/exits.js');
	assert.equal(asked.map, 'burstmesh');
	assert.deepEqual(asked.sections.map((section) => section.type), ['exit', 'client', 'rule', 'mesh']);
	const of = (section, name) => asked.sections[section].options.find((option) => option.name === name);
	assert.deepEqual([of(0, 'address').widget, of(1, 'ifname').widget, of(3, 'port').widget, of(3, 'open').widget], ['list', 'device', 'value', 'flag']);
	assert.equal(of(3, 'port').validate('mesh', '4454'), true);
	assert.match(of(3, 'port').validate('mesh', '0'), /65535/);
});

test('the box of the status page is empty for who may not look', async () => {
	const allowed = await luci(running, false).open('view/status/include/45_burstmesh.js');
	assert.equal(allowed.tag, 'p');
	const denied = luci({ status: Promise.reject(new Error('RPC call to burstmesh/status failed with error -32002: Access denied')) }, false);
	assert.equal(await denied.open('view/status/include/45_burstmesh.js'), null);
});
