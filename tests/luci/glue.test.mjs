// A contract test of the glue: it runs against recording stand-ins for LuCI, which show what it asks of LuCI and nothing more.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import vm from 'node:vm';
import { json, app, module, read, resources, sample, scripts, tree } from './load.mjs';

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
	findAll(tag) {
		return [...(this.tag === tag ? [this] : []), ...this.children.flatMap((child) => child instanceof Element ? child.findAll(tag) : [])];
	}
	find(tag) { return this.findAll(tag)[0]; }
}
const page = {
	createElement: (tag) => new Element(tag),
	createElementNS: (_, tag) => new Element(tag),
	createTextNode: (text) => text,
	createDocumentFragment: () => new Element('fragment'),
	activeElement: null,
	getSelection: () => null
};

// LuCI around one view; `answers` gives each command's answer, `may` whether the visitor may act.
function luci(answers, may) {
	const asked = { commands: [], maps: [], imports: null, added: 0, calls: [], polls: [], sections: [], changed: [], typed: {} };
	const option = (widget, name) => ({ widget, name, choices: [], value(choice) { this.choices.push(choice); } });
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
			if (method.object !== 'burstmesh' || ['pause', 'resume', 'refuse', 'accept'].includes(method.method))
				return;
			if (!answers.status)
				throw new Error('RPC call to burstmesh/' + method.method + ' failed with error -32000: Object not found');
			return { history: { step_ms: 2000, paths: [] }, ledger: [] }[method.method] || answers.status;
		} },
		ui: { changes: { apply: (checked) => asked.changed.push(['apply', checked]), init: () => asked.changed.push('shown as waiting') } },
		uci: {
			load: async () => {
				if (answers.uci === null)
					throw new Error('Permission denied');
				asked.loaded = true;
			},
			// As LuCI's own: it lists sections with options that were removed a moment ago, and only `get` knows of that.
			sections: (config, type, each = () => {}) => {
				const all = !asked.loaded || config !== 'burstmesh' ? [] : !type ? answers.sections.map((one) => ({ ...one })) : answers.uci && type === 'community' ? [answers.uci] : [];
				all.forEach((one) => each(one, one['.name']));
				return all;
			},
			get: (config, id, name) => (answers.removed || []).includes(id + '.' + name) ? undefined : answers.sections.find((one) => one['.name'] === id)[name],
			changes: async () => answers.waiting || {},
			set: (...values) => asked.changed.push(values),
			save: async () => asked.changed.push('save')
		},
		form: {
			Flag: 'flag', Value: 'value', DynamicList: 'list', TypedSection: 'typed', GridSection: 'grid',
			Map: class {
				constructor(config) {
					asked.map = config;
					asked.maps.push(this);
				}
				section(widget, type) {
					asked.sections.push(Object.assign(new Section(type), { widget }));
					return asked.sections.at(-1);
				}
				// As LuCI's own: what is typed is in `uci` when `done` is called, and on its way when that threw nothing.
				async save(done) {
					await (done && done());
					asked.changed.push('saved');
				}
				async render() { return new Element('form'); }
				lookupOption(name, id) {
					return [{ getUIElement: () => ({ setValue: (text) => { asked.typed[id + '.' + name] = text; } }) }, id];
				}
			}
		},
		'tools.widgets': { DeviceSelect: 'device' }
	};
	const L = {
		env: { resource_version: '26.301' },
		resource: (path) => path,
		toArray: (value) => value ? [value].flat() : [],
		hasViewPermission: () => may,
		require: async (name) => ({ uqr: { renderSVG: (text, look) => '<svg><!-- ' + text + ' ' + look.border + ' --></svg>' } })[name]
	};
	// As LuCI's own: an array is a fragment of what each of it makes, and a text is a tag.
	const E = (tag, attributes = {}, children = []) => {
		if (tag instanceof Element)
			return tag;
		const made = new Element(Array.isArray(tag) ? 'fragment' : tag);
		assert.match(made.tag, /^[a-z]+$/);
		made.children = Array.isArray(tag) ? tag.map((one) => E(one)) : children;
		Object.assign(made.attributes, attributes);
		return made;
	};
	const load = (path) => {
		const text = read(resources + path).replace('import(', 'load(');
		const names = [...text.matchAll(/'require ([\w.]+)(?: as (\w+))?';/g)].map(([, name, as]) => [as || name, name]);
		const given = names.map(([, name]) => (name === 'burstmesh.glue' ? load('burstmesh/glue.js') : parts[name]));
		assert.ok(given.every(Boolean), path + ' requires something that LuCI is not known for');
		const globals = { L, E, _: (text) => text, document: { ...page, head: { appendChild: (child) => { asked.imports = child; asked.added += 1; } } }, performance, load: async (name) => answers[name] || module(name.split('/').pop().replace('.js', '')) };
		const body = vm.compileFunction(text, [...Object.keys(globals), ...names.map(([as]) => as)]);
		return body(...Object.values(globals), ...given);
	};
	return { asked, load, open: async (name) => {
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
			assert.ok(asked.polls.length >= 1);
			for (const [act] of asked.polls)
				await act();
			assert.equal(asked.calls.filter(([object, method]) => object === 'burstmesh' && method === 'status').length, 2);
		}
	});

test('the button pauses, ends a pause, and starts what does not run', async () => {
	const paused = { ...running, status: { ...sample(), pause_s: 60 } };
	const stopped = { uci: { enabled: '1' } };
	for (const [answers, act] of [[running, 'burstmesh pause'], [paused, 'burstmesh resume'], [stopped, '/etc/init.d/burstmesh start']]) {
		const { asked, open } = luci(answers, true);
		(await open('view/burstmesh/overview.js')).find('button').actions.click();
		assert.equal(answers === stopped ? asked.commands.at(-1) : asked.calls.at(-1).join(' '), act);
	}
	const { open } = luci(running, false);
	assert.equal((await open('view/burstmesh/overview.js')).find('button'), undefined);
});

test('what is switched off is said to be, and has no button that would start nothing', async () => {
	const text = (node) => node instanceof Element ? node.children.map(text).join('') : node;
	for (const view of ['overview', 'community']) {
		const { open } = luci({ uci: { '.name': 'cfg01', enabled: '0' } }, true);
		const page = await open('view/burstmesh/' + view + '.js');
		assert.match(text(page), /Switched off\. Your devices/);
		assert.ok(!page.findAll('button').some((one) => one.attributes.id === 'bm-start'));
		// Ticked off, and not applied yet.
		assert.match(text(await luci({ ...running, uci: { '.name': 'cfg01', enabled: '0' } }, true).open('view/burstmesh/' + view + '.js')), /Pooling/);
	}
});

test('who may not see the settings sees the rest', async () => {
	const { open } = luci({ uci: null }, false);
	assert.match(JSON.stringify(await open('view/burstmesh/overview.js'), (key, value) => key === 'ownerDocument' ? undefined : value), /is not running/);
});

test('what changes slowly is asked for every fifth time, and the past once', async () => {
	const { asked, open } = luci(running, true);
	await open('view/burstmesh/overview.js');
	for (let second = 0; second < 10; second += 1)
		await asked.polls[0][0]();
	const count = (wanted) => asked.calls.filter(([, method]) => method === wanted).length;
	assert.deepEqual(['status', 'members', 'history', 'flows'].map(count), [11, 3, 1, 0]);
});

test('the lines are watched when somebody wants it, for ten seconds', async () => {
	const { asked, open } = luci(running, true);
	const page = await open('view/burstmesh/diagnostics.js');
	const button = () => page.findAll('button').find((one) => one.attributes.id === 'bm-watch');
	assert.equal(page.find('progress'), undefined);
	button().actions.click();
	await asked.polls[0][0]();
	assert.equal(button().attributes['aria-disabled'], 'true');
	assert.ok(page.find('progress'));
});

test('of a long log the last hundred lines are shown', async () => {
	const lines = Array.from({ length: 3000 }, (_, n) => 'line ' + n + '\n');
	const { open } = luci({ ...running, '/sbin/logread -e burstmesh': { code: 0, stdout: lines.join('') } }, true);
	const shown = (await open('view/burstmesh/diagnostics.js')).findAll('pre').at(-1).children[0];
	assert.deepEqual([shown.split('\n')[0], shown.trim().split('\n').length], ['line 2900', 100]);
});

test('the invitation is drawn as a code when somebody wants it, and hidden again', async () => {
	const { open } = luci({ ...running, uci: { invitation: 'bm1abc' } }, true);
	const page = await open('view/burstmesh/community.js');
	const button = () => page.findAll('button').find((one) => one.attributes.id === 'bm-invite');
	assert.equal(page.find('img'), undefined);
	button().actions.click();
	await new Promise(setImmediate);
	assert.equal(decodeURIComponent(page.find('img').attributes.src), 'data:image/svg+xml,<svg><!-- bm1abc 4 --></svg>');
	button().actions.click();
	assert.equal(page.find('img'), undefined);
	assert.equal(page.find('details').attributes.open, undefined);
	const none = await luci(running, true).open('view/burstmesh/community.js');
	assert.equal(none.find('details').attributes.open, '', 'who has no invitation is asked for one');
	assert.ok(!none.findAll('button').some((one) => one.attributes.id === 'bm-invite'));
});

test('an invitation in a picture goes into the form, and a picture without one changes nothing', async () => {
	for (const text of ['bm1abc', null]) {
		const { note } = await module('scan');
		const scan = { note, read: async (file) => (file === 'photo.jpg' ? text : assert.fail(file)) };
		const { asked, open } = luci({ ...running, 'burstmesh/scan.js': scan, uci: { '.name': 'cfg01', invitation: '' } }, true);
		const page = await open('view/burstmesh/community.js');
		assert.deepEqual(page.findAll('input').map(({ attributes }) => [attributes.type, attributes.accept, attributes.capture]),
			[['file', 'image/*', 'environment'], ['file', 'image/*', undefined]]);
		page.find('input').actions.change({ target: { files: ['photo.jpg'] } });
		await new Promise(setImmediate);
		assert.deepEqual(asked.typed, text ? { 'cfg01.invitation': 'bm1abc' } : {});
		assert.equal(page.find('details').findAll('p').at(-1).children[0], note(text));
	}
});

test('a neighbour is refused once that is confirmed, and shared with again, by the settings', async () => {
	const [{ node }] = sample().peers;
	const press = async (refuse, sure, waiting) => {
		const { asked, open } = luci({ ...running, waiting, uci: { '.name': 'cfg01', refuse } }, true);
		globalThis.confirm = () => sure;
		const page = await open('view/burstmesh/community.js');
		page.findAll('button').find((one) => one.attributes.id === 'bm-trust-' + node).actions.click();
		await new Promise(setImmediate);
		return [...asked.calls.filter(([, method]) => ['refuse', 'accept'].includes(method)).map(([, method, who]) => method + ' ' + who), ...asked.changed];
	};
	const then = ['save', ['apply', true]];
	assert.deepEqual(await press(undefined, false), []);
	const [refused, accepted] = ['refuse ' + node, 'accept ' + node];
	assert.deepEqual(await press(undefined, true), [refused, ['burstmesh', 'cfg01', 'refuse', [node]], ...then]);
	assert.deepEqual(await press(['99ab'], true), [refused, ['burstmesh', 'cfg01', 'refuse', ['99ab', node]], ...then]);
	assert.deepEqual(await press(['99ab', node], false), [accepted, ['burstmesh', 'cfg01', 'refuse', ['99ab']], ...then]);
	assert.deepEqual(await press(node, false), [accepted, ['burstmesh', 'cfg01', 'refuse', null], ...then]);
	// Somebody's other changes are not applied with it.
	assert.deepEqual((await press(undefined, true, { wireless: [['set', 'radio0', 'disabled', '1']] })).slice(2), ['save', 'shown as waiting']);
	const overview = await luci(running, true).open('view/burstmesh/overview.js');
	assert.ok(!overview.findAll('button').some((one) => one.attributes.id.startsWith('bm-trust')));
});

test('browsers fetch every module anew after an upgrade, whoever imports it', async () => {
	const { asked, open } = luci(running, true);
	await open('view/burstmesh/overview.js');
	assert.equal(asked.imports.attributes.type, 'importmap');
	const { imports } = JSON.parse(asked.imports.children[0]);
	const modules = scripts().map(([name]) => name).filter((name) => name.startsWith('burstmesh/') && name !== 'burstmesh/glue.js');
	assert.deepEqual(Object.keys(imports).sort(), modules);
	assert.ok(Object.entries(imports).every(([name, versioned]) => versioned === name + '?v=26.301'));
});

test('every page says what the agent does not take of the settings, whether it runs or not', async () => {
	const stdout = "/etc/config/burstmesh:7: the rule fits nothing; write two rules\n";
	for (const path of views)
		for (const status of [running.status, undefined]) {
			const { open } = luci({ ...running, status, '/usr/bin/burstmesh check': { code: 1, stdout } }, false);
			const alert = (await open('view/' + path + '.js')).findAll('div').find((one) => one.attributes.role === 'alert');
			assert.deepEqual(alert.findAll('li').map((one) => one.children), [['the rule fits nothing; write two rules']], path);
		}
	// A note does not keep settings from being in force.
	const { open } = luci({ ...running, '/usr/bin/burstmesh check': { code: 0, stdout: stdout + '/etc/config/burstmesh: good\n' } }, false);
	assert.ok(!(await open('view/burstmesh/overview.js')).findAll('div').some((one) => one.attributes.role === 'alert'));
});

test('who would invite with an expired invitation is told so', async () => {
	const words = 'the invitation has expired';
	assert.ok(read(tree + 'firmware/agent/src/config/problem.rs').includes(words), 'the agent says it so');
	const said = async (stdout) => JSON.stringify((await luci({ ...running, uci: { invitation: 'bm1abc' }, '/usr/bin/burstmesh check': { code: 0, stdout } }, true)
		.open('view/burstmesh/community.js')).findAll('p').map((one) => one.children));
	assert.match(await said('/etc/config/burstmesh:2: ' + words + '; and so on\n/etc/config/burstmesh: good\n'), /It has expired/);
	assert.doesNotMatch(await said('/etc/config/burstmesh: good\n'), /It has expired/);
});

test('rules can be moved, since the first that fits counts', async () => {
	const { asked, open } = luci(running, true);
	await open('view/burstmesh/exits.js');
	assert.deepEqual(asked.sections.filter((section) => section.widget === 'grid').map(({ type, sortable, anonymous, addremove }) => [type, sortable, anonymous, addremove]), [['rule', true, true, true]]);
});

test('devices are named by themselves, never by an alias', async () => {
	const { asked, open } = luci(running, true);
	await open('view/burstmesh/exits.js');
	const devices = asked.sections.flatMap((section) => section.options).filter((option) => option.widget === 'device');
	assert.deepEqual(devices.map((option) => option.noaliases), [true, true]);
});

test('settings that do not fit each other are refused when they are saved, not when a section is added or removed', async () => {
	const sections = [{ '.type': 'rule', '.name': 'cfg1', lane: 'direct' }];
	const { asked, open } = luci({ ...running, sections }, true);
	await open('view/burstmesh/exits.js');
	await assert.rejects(asked.maps[0].save(), /must say/);
	assert.deepEqual(asked.changed, []);
	await asked.maps[0].save(null, true);
	sections[0].port = '25';
	await asked.maps[0].save();
	assert.deepEqual(asked.changed, ['saved', 'saved']);
	const lines = ['wan', 'lte'].map((ifname) => ({ '.type': 'uplink', '.name': ifname, ifname, default: '1' }));
	for (const [removed, refused] of [[[], true], [['wan.default'], false]]) {
		const mine = luci({ ...running, sections: lines, removed }, true);
		await mine.open('view/burstmesh/uplinks.js');
		await mine.asked.maps[0].save().then(() => assert.ok(!refused), (error) => assert.match(refused && error.message, /Only one/));
	}
});

test('forms have a widget for each option, and judge what is typed', async () => {
	const { asked, open } = luci(running, true);
	await open('view/burstmesh/exits.js');
	assert.equal(asked.map, 'burstmesh');
	assert.deepEqual(asked.sections.map((section) => section.type), ['exit', 'client', 'rule', 'mesh']);
	const of = (section, name) => asked.sections[section].options.find((option) => option.name === name);
	assert.deepEqual([of(0, 'address').widget, of(1, 'ifname').widget, of(3, 'port').widget, of(3, 'open').widget], ['list', 'device', 'value', 'flag']);
	assert.deepEqual(of(2, 'lane').choices, ['direct', 'auto', 'per_packet', 'per_session']);
	assert.equal(of(3, 'port').validate('mesh', '4454'), true);
	assert.match(of(3, 'port').validate('mesh', '0'), /65535/);
});

test('every option of every form marks a wrong value before it is saved, with the sentence that says what is right', async () => {
	const { sections } = await module('form');
	const values = json(new URL('values.json', import.meta.url));
	const seen = [];
	for (const view of ['uplinks', 'community', 'exits']) {
		const { asked, open } = luci(running, true);
		await open('view/burstmesh/' + view + '.js');
		for (const section of asked.sections)
			for (const option of section.options) {
				const { kind, required } = sections()[section.type].options.find((one) => one.name === option.name);
				seen.push(section.type + '.' + option.name);
				assert.equal(option.rmempty, !required, 'LuCI itself marks what is missing');
				// A tick has no wrong value.
				for (const wrong of kind === 'bool' ? [] : values[kind].wrong)
					assert.match(String(option.validate('id', wrong)), /^.{6,}\.$/, seen.at(-1) + ' ' + wrong);
				for (const right of kind === 'bool' ? ['0', '1'] : values[kind].right)
					assert.equal(option.validate('id', right), true, seen.at(-1) + ' ' + right);
			}
	}
	const all = Object.entries(sections()).flatMap(([name, section]) => section.options.map((option) => name + '.' + option.name));
	assert.deepEqual(seen.sort(), all.sort());
});

test('a box that is loaded again and again starts one process and adds one element', async () => {
	const { asked, load } = luci(running, false);
	const box = load('view/status/include/45_burstmesh.js');
	for (let times = 0; times < 3; times += 1)
		await box.load();
	assert.deepEqual([asked.commands, asked.added], [['/usr/bin/burstmesh check'], 1]);
	assert.equal(asked.calls.filter(([, method]) => method === 'status').length, 3);
});

test('the box of the status page is empty for who may not look', async () => {
	const allowed = await luci(running, false).open('view/status/include/45_burstmesh.js');
	assert.equal(allowed.tag, 'p');
	const denied = luci({ status: Promise.reject(new Error('RPC call to burstmesh/status failed with error -32002: Access denied')) }, false);
	assert.equal(await denied.open('view/status/include/45_burstmesh.js'), null);
});
