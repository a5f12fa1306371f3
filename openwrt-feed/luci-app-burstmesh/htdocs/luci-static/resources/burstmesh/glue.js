'use strict';
'require baseclass';
'require form';
'require fs';
'require poll';
'require rpc';
'require ui';
'require uci';
'require tools.widgets as widgets';

// Between LuCI and the pages: ES modules that know nothing of it.

// On the bus: no process for each look.
const METHODS = [ 'status', 'members', 'flows', 'counters', 'history', 'ledger', 'pause', 'resume', 'refuse', 'accept' ];
const agent = Object.fromEntries(METHODS.map((method) => [ method, rpc.declare({ object: 'burstmesh', method, params: [ 'node' ], expect: { '': {} } }) ]));

function community() {
	return uci.sections('burstmesh', 'community')[0] || {};
}

function said(answer) {
	return (answer.stdout || '') + (answer.stderr || '');
}

return baseclass.extend({
	// Once a page.
	modules: function() {
		return (this.all ||= this.fetch());
	},

	fetch: function() {
		const names = [ 'text', 'dom', 'pages', 'graph', 'watch', 'form', 'scan', 'invitation', 'ledger', 'parts', 'status', 'units' ];
		// After an upgrade browsers fetch all anew.
		const [ at, version ] = [ (name) => L.resource('burstmesh/' + name + '.js'), '?v=' + L.env.resource_version ];
		const imports = Object.fromEntries(names.map((name) => [ at(name), at(name) + version ]));
		document.head.appendChild(E('script', { type: 'importmap' }, [ JSON.stringify({ imports }) ]));
		return Promise.all([ this.check().catch(() => ''), uci.load('burstmesh').catch(() => 0), ...names.map((name) => import(at(name))) ]).then(([ check, , ...found ]) => {
			const all = Object.fromEntries(names.map((name, n) => [ name, found[n] ]));
			all.text.use(_);
			all.parts.judged(check);
			return all;
		});
	},

	// -32000: nobody knows its object, so no agent runs.
	unless: function(otherwise, asked) {
		return asked.catch((error) => {
			if (!/-32000\b/.test(error.message))
				throw error;
			return otherwise;
		});
	},

	// The status, and what these methods tell beside it; null when no agent runs.
	status: function(...more) {
		return this.unless(null, Promise.all([ 'status', ...more ].map((method) => agent[method]()))
			.then((parts) => parts[0].version ? Object.assign({}, ...parts) : null));
	},

	history: function() {
		return this.unless({ paths: [] }, agent.history());
	},

	ledger: function() {
		return this.unless([], agent.ledger().then((answer) => answer.ledger || []));
	},

	check: function() {
		return fs.exec('/usr/bin/burstmesh', [ 'check' ]).then(said);
	},

	// A month's log would be metres long.
	log: function() {
		return fs.exec('/sbin/logread', [ '-e', 'burstmesh' ]).then((answer) => said(answer).split('\n').slice(-101).join('\n'));
	},

	acts: function() {
		return L.hasViewPermission() ? {
			pause: agent.pause,
			resume: agent.resume,
			start: () => fs.exec('/etc/init.d/burstmesh', [ 'start' ]),
			off: community().enabled === '0',
			refused: () => L.toArray(community().refuse),
			// At once; for good by the settings, unless others wait to be applied.
			refuse: (node, on) => agent[on ? 'refuse' : 'accept'](node).then(() => {
				const before = L.toArray(community().refuse);
				const refuse = before.filter((one) => one !== node).concat(on ? node : []);
				if (refuse.length === before.length)
					return;
				return uci.changes().then((others) => {
					uci.set('burstmesh', community()['.name'], 'refuse', refuse.length ? refuse : null);
					return uci.save().then(() => Object.keys(others).length ? ui.changes.init() : ui.changes.apply(true));
				});
			})
		} : null;
	},

	// A place that shows `draw(status)`, anew every `seconds`. The methods `more` are asked every fifth time.
	live: function(all, first, draw, seconds, more) {
		const place = E('div');
		let [ known, looks ] = [ first, 0 ];
		all.dom.replace(place, draw(first));
		poll.add(() => this.status(...(known && ++looks % 5 ? [] : more)).then((now) => {
			known = now && Object.assign({}, known, now);
			all.dom.replace(place, draw(known));
		}), seconds);
		return place;
	},

	// A page without a form: `make` gives what draws it, from the first status and what is `asked`.
	show: function(seconds, more, asked, make) {
		return {
			load: () => Promise.all([ this.modules(), this.status(...more), ...asked.map((name) => this[name]()) ]),
			render: ([ all, first, ...answers ]) => this.live(all, first, make(all, first, ...answers), seconds, more),
			handleSave: null,
			handleSaveApply: null,
			handleReset: null
		};
	},

	// A page with a form of these sections between what `around` gives.
	settings: function(page, kinds, more, around) {
		return {
			load: () => Promise.all([ this.modules(), this.status(...more) ]),
			render: ([ all, first ]) => {
				const now = this.live(all, first, (status) => all.pages[page](status, this.acts()), 5, more);
				const map = new form.Map('burstmesh');
				const save = map.save;
				// A section just added is saved silently, and not ready yet.
				// Sections as LuCI lists them still have options that were just removed.
				const typed = (one, id) => Object.keys(one).forEach((name) => {
					one[name] = uci.get('burstmesh', id, name);
				});
				map.save = (done, silent) => save.call(map, done || (() => silent || all.form.whole(uci.sections('burstmesh', null, typed), kinds)), silent);
				for (const kind of kinds)
					this.section(map, all, kind);
				return map.render().then((settings) => {
					const [ before, behind ] = around ? around.call(this, all, map) : [ [], [] ];
					return E([ now, before, settings, behind ]);
				});
			}
		};
	},

	// One in a picture goes into the form; LuCI draws the own one once somebody wants it.
	invitations: function(all, map) {
		const [ before, behind ] = [ E('div'), E('div') ];
		const { '.name': id, invitation } = community();
		const scanned = (note) => all.dom.replace(before, all.pages.scan(!invitation, note, (file) => all.scan.read(file).then((text) => {
			if (text)
				map.lookupOption('invitation', id)[0].getUIElement(id).setValue(text);
			scanned(all.scan.note(text));
		})));
		const show = (picture) => all.dom.replace(behind, all.pages.invitation(picture, () => picture ? show(null) :
			L.require('uqr').then((uqr) => show('data:image/svg+xml,' + encodeURIComponent(uqr.renderSVG(invitation, { pixelSize: 4, border: 4 }))))));
		scanned('');
		if (invitation)
			show(null);
		return [ before, behind ];
	},

	// A form of LuCI's from the description of a section.
	section: function(map, all, kind) {
		const about = all.form.sections()[kind];
		// The first rule that fits counts.
		const section = map.section(kind === 'rule' ? form.GridSection : form.TypedSection, kind, about.title);
		section.sortable = true;
		section.anonymous = !about.named;
		section.addremove = kind !== 'community';
		for (const one of about.options)
			this.option(section, all, one);
	},

	option: function(section, all, one) {
		const widget = one.kind === 'bool' ? form.Flag : one.kind === 'device' ? widgets.DeviceSelect : one.list ? form.DynamicList : form.Value;
		const option = section.option(widget, one.name, one.title, one.help);
		for (const word of all.form.kinds()[one.kind].words)
			option.value(word);
		option.noaliases = true;
		option.rmempty = !one.required;
		option.default = one.preset;
		option.placeholder = one.kind === 'bool' ? null : one.preset;
		option.password = one.kind === 'secret' || one.kind === 'invitation';
		option.validate = (sectionId, value) => all.form.judge(one.kind, value);
	}
});
