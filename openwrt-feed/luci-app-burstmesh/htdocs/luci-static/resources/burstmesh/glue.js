'use strict';
'require baseclass';
'require form';
'require fs';
'require poll';
'require rpc';
'require tools.widgets as widgets';

// Between LuCI and the pages, which know nothing of it: they are ES modules, loaded as such.

// The agent's own object on the bus: no process for each look, as a command would be.
const status = rpc.declare({ object: 'burstmesh', method: 'status', expect: { '': {} } });
const pause = rpc.declare({ object: 'burstmesh', method: 'pause' });
const resume = rpc.declare({ object: 'burstmesh', method: 'resume' });

const setInitAction = rpc.declare({
	object: 'luci',
	method: 'setInitAction',
	params: [ 'name', 'action' ],
	expect: { result: false }
});

function said(answer) {
	return (answer.stdout || '') + (answer.stderr || '');
}

return baseclass.extend({
	modules: function() {
		const names = [ 'text', 'dom', 'pages', 'graph', 'form' ];
		return Promise.all(names.map((name) => import(L.resource('burstmesh/' + name + '.js')))).then((found) => {
			const all = Object.fromEntries(names.map((name, n) => [ name, found[n] ]));
			all.text.use(_);
			return all;
		});
	},

	// The agent's status, or null when it does not run: then nobody knows its object (-32000). Who may not look gets another error.
	status: function() {
		return status().then((now) => now.version ? now : null, (error) => {
			if (!/-32000\b/.test(error.message))
				throw error;
			return null;
		});
	},

	check: function() {
		return fs.exec('/usr/bin/burstmesh', [ 'check' ]).then(said);
	},

	log: function() {
		return fs.exec('/sbin/logread', [ '-e', 'burstmesh' ]).then(said);
	},

	acts: function() {
		return L.hasViewPermission() ? {
			pause,
			resume,
			start: () => setInitAction('burstmesh', 'start')
		} : null;
	},

	// A place that shows `draw(status)` and is drawn anew every `seconds`.
	live: function(all, first, draw, seconds) {
		const place = E('div');
		all.dom.replace(place, draw(first));
		poll.add(() => this.status().then((status) => all.dom.replace(place, draw(status))), seconds);
		return place;
	},

	// A page of settings: what is now, drawn by the page of this name, above a form of these sections.
	settings: function(page, kinds) {
		return {
			load: () => Promise.all([ this.modules(), this.status() ]),
			render: ([ all, first ]) => {
				const now = this.live(all, first, (status) => all.pages[page](status, this.acts()), 5);
				const map = new form.Map('burstmesh');
				for (const kind of kinds)
					this.section(map, all, kind);
				return map.render().then((settings) => E([ now, settings ]));
			}
		};
	},

	// A form of LuCI's from the description of a section.
	section: function(map, all, kind) {
		const about = all.form.sections()[kind];
		const section = map.section(form.TypedSection, kind, about.title);
		section.anonymous = !about.named;
		section.addremove = kind !== 'community';
		for (const one of about.options)
			this.option(section, all, one);
	},

	option: function(section, all, one) {
		const widget = one.kind === 'bool' ? form.Flag : one.kind === 'device' ? widgets.DeviceSelect : one.list ? form.DynamicList : form.Value;
		const option = section.option(widget, one.name, one.title, one.help);
		option.rmempty = !one.required;
		option.default = one.preset;
		option.placeholder = one.kind === 'bool' ? null : one.preset;
		option.password = one.kind === 'secret' || one.kind === 'invitation';
		option.validate = (sectionId, value) => all.form.judge(one.kind, value);
	}
});
