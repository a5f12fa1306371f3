'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend({
	load: function() {
		return Promise.all([ glue.modules(), glue.status() ]);
	},

	render: function(data) {
		const all = data[0];
		const history = new all.graph.History(120);
		return glue.live(all, data[1], (status) => {
			history.record(performance.now(), status);
			return all.pages.overview(status, history, glue.acts());
		}, 1);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
