'use strict';
'require baseclass';
'require burstmesh.glue as glue';

return baseclass.extend({
	title: _('Neighbourhood lines'),

	// Who may not look gets no box.
	load: function() {
		return Promise.all([ glue.modules(), glue.status().catch(() => undefined) ]);
	},

	render: function(data) {
		return data[1] === undefined ? null : data[0].dom.build(data[0].pages.box(data[1]), document);
	}
});
