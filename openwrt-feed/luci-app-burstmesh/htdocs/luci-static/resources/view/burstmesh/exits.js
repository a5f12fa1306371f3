'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend(glue.settings('settings', [ 'exit', 'client', 'rule', 'mesh' ], []));
