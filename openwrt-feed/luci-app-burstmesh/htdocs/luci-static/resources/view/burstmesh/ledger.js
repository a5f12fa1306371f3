'use strict';
'require poll';
'require view';
'require burstmesh.glue as glue';

return view.extend({
	load: function() {
		return Promise.all([ glue.modules(), glue.status(), glue.ledger() ]);
	},

	render: function([ all, first, entries ]) {
		poll.add(() => glue.ledger().then((now) => {
			entries = now;
		}), 60);
		return glue.live(all, first, (status) => all.pages.ledger(status, entries, glue.acts()), 10, []);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
