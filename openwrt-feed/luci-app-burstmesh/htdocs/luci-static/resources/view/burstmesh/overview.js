'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend(glue.show(1, [ 'members' ], [ 'history' ], (all, first, before) => {
	const history = new all.graph.History(120);
	if (first)
		history.recall(performance.now(), first, before);
	return (status) => {
		history.record(performance.now(), status);
		return all.pages.overview(status, history, glue.acts());
	};
}));
