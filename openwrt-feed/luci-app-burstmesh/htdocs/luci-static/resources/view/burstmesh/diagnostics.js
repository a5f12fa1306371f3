'use strict';
'require view';
'require burstmesh.glue as glue';

const MORE = [ 'members', 'flows', 'counters' ];

return view.extend({
	load: function() {
		return Promise.all([ glue.modules(), glue.status(...MORE), glue.check(), glue.log() ]);
	},

	render: function([ all, first, check, log ]) {
		const extra = { check, log, watch: null, begin: () => {
			if (!extra.watch || extra.watch.done())
				extra.watch = new all.watch.Watch(10);
		} };
		return glue.live(all, first, (status) => {
			if (extra.watch)
				extra.watch.record(performance.now(), status);
			return all.pages.diagnostics(status, extra, glue.acts());
		}, 1, MORE);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
