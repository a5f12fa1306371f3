'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend({
	load: function() {
		return Promise.all([ glue.modules(), glue.status('members'), glue.history() ]);
	},

	render: function([ all, first, before ]) {
		const history = new all.graph.History(120);
		if (first)
			history.recall(performance.now(), first, before);
		return glue.live(all, first, (status) => {
			history.record(performance.now(), status);
			return all.pages.overview(status, history, glue.acts());
		}, 1, [ 'members' ]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
