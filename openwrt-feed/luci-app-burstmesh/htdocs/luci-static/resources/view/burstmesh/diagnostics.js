'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend({
	load: function() {
		return Promise.all([ glue.modules(), glue.status(), glue.check(), glue.log() ]);
	},

	render: function(data) {
		const all = data[0];
		const extra = { check: data[2], log: data[3] };
		return glue.live(all, data[1], (status) => all.pages.diagnostics(status, extra, glue.acts()), 5);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
