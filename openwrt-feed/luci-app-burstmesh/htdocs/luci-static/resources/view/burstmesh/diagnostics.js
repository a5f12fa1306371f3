'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend(glue.show(1, [ 'members', 'flows', 'counters' ], [ 'check', 'log' ], (all, first, check, log) => {
	const extra = { check, log, watch: null, begin: () => {
		if (!extra.watch || extra.watch.done())
			extra.watch = new all.watch.Watch(10);
	} };
	return (status) => {
		if (extra.watch)
			extra.watch.record(performance.now(), status);
		return all.pages.diagnostics(status, extra, glue.acts());
	};
}));
