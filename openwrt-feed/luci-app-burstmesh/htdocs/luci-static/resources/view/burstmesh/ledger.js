'use strict';
'require poll';
'require view';
'require burstmesh.glue as glue';

return view.extend(glue.show(10, [], [ 'ledger' ], (all, first, entries) => {
	poll.add(() => glue.ledger().then((now) => {
		entries = now;
	}), 60);
	return (status) => all.pages.ledger(status, entries, glue.acts());
}));
