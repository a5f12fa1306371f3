'use strict';
'require baseclass';
'require burstmesh.glue as glue';

return baseclass.extend({
	title: _('Neighbourhood lines'),

	load: function() {
		return Promise.all([ glue.modules(), glue.status() ]);
	},

	render: function(data) {
		return data[0].dom.build(data[0].pages.box(data[1]), document);
	}
});
