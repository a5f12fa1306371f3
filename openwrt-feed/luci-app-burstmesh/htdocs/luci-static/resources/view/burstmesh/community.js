'use strict';
'require view';
'require burstmesh.glue as glue';

return view.extend(glue.settings('community', [ 'community' ], [ 'members' ], glue.invitations));
