// The one client of the page, and all that a project has to write to have it.

import { createSessionClient } from "../session_auth/session-auth.js";

export const client = createSessionClient({ baseUrl: "/api/auth/" });
