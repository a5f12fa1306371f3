'use strict';
'require view';
'require form';
'require burstmesh.glue as glue';

return view.extend({
	load: function() {
		return Promise.all([ glue.modules(), glue.status() ]);
	},

	render: function(data) {
		const all = data[0];
		const now = glue.live(all, data[1], (status) => all.pages.community(status, glue.acts()), 5);
		const map = new form.Map('burstmesh');
		for (const kind of [ 'community' ])
			glue.section(map, all, kind);
		return map.render().then((settings) => E([ now, settings ]));
	}
});
