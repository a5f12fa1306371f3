'use strict';
'require baseclass';
'require form';
'require fs';
'require poll';
'require rpc';
'require uci';
'require tools.widgets as widgets';

// Between LuCI and the pages, which know nothing of it: they are ES modules, loaded as such.

// The agent's own object on the bus: no process for each look, as a command would be.
const told = {
	status: rpc.declare({ object: 'burstmesh', method: 'status', expect: { '': {} } }),
	members: rpc.declare({ object: 'burstmesh', method: 'members', expect: { '': {} } }),
	flows: rpc.declare({ object: 'burstmesh', method: 'flows', expect: { '': {} } }),
	counters: rpc.declare({ object: 'burstmesh', method: 'counters', expect: { '': {} } })
};
const history = rpc.declare({ object: 'burstmesh', method: 'history', expect: { '': {} } });
const ledger = rpc.declare({ object: 'burstmesh', method: 'ledger', expect: { ledger: [] } });
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
		const names = [ 'text', 'dom', 'pages', 'graph', 'watch', 'form' ];
		return Promise.all(names.map((name) => import(L.resource('burstmesh/' + name + '.js')))).then((found) => {
			const all = Object.fromEntries(names.map((name, n) => [ name, found[n] ]));
			all.text.use(_);
			return all;
		});
	},

	// What an agent tells, or `otherwise` when none runs: then nobody knows its object (-32000). Who may not look gets another error.
	unless: function(otherwise, asked) {
		return asked.catch((error) => {
			if (!/-32000\b/.test(error.message))
				throw error;
			return otherwise;
		});
	},

	// The agent's status, and what these methods tell beside it; null when it does not run.
	status: function(...more) {
		return this.unless(null, Promise.all([ 'status', ...more ].map((method) => told[method]()))
			.then((parts) => parts[0].version ? Object.assign({}, ...parts) : null));
	},

	history: function() {
		return this.unless({ paths: [] }, history());
	},

	ledger: function() {
		return this.unless([], ledger());
	},

	check: function() {
		return fs.exec('/usr/bin/burstmesh', [ 'check' ]).then(said);
	},

	// The last hundred lines: the whole log of a month would be a page of metres.
	log: function() {
		return fs.exec('/sbin/logread', [ '-e', 'burstmesh' ]).then((answer) => said(answer).split('\n').slice(-101).join('\n'));
	},

	acts: function() {
		return L.hasViewPermission() ? {
			pause,
			resume,
			start: () => setInitAction('burstmesh', 'start')
		} : null;
	},

	// A place that shows `draw(status)` and is drawn anew every `seconds`. What the methods `more` tell changes slowly: it is asked
	// for every fifth time.
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

	// A page of settings: what is now, drawn by the page of this name, above a form of these sections, and what `last` draws.
	settings: function(page, kinds, more, last) {
		return {
			load: () => Promise.all([ this.modules(), this.status(...more) ]),
			render: ([ all, first ]) => {
				const now = this.live(all, first, (status) => all.pages[page](status, this.acts()), 5, more);
				const map = new form.Map('burstmesh');
				for (const kind of kinds)
					this.section(map, all, kind);
				return map.render().then((settings) => E([ now, settings, last ? last.call(this, all) : E([]) ]));
			}
		};
	},

	// The invitation as a code for a neighbour's telephone, drawn by LuCI's own encoder once somebody wants it.
	invitation: function(all) {
		const place = E('div');
		const [ community ] = uci.sections('burstmesh', 'community');
		const show = (picture) => all.dom.replace(place, all.pages.invitation(picture, () => picture ? show(null) :
			L.require('uqr').then((uqr) => show('data:image/svg+xml,' + encodeURIComponent(uqr.renderSVG(community.invitation, { pixelSize: 4, border: 4 }))))));
		if (community && community.invitation)
			show(null);
		return place;
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
