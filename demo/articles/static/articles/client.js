// The one client of the page, and all that a project has to write to have it.

import { createFactors } from "../session_auth/factors.js";
import { createSessionClient } from "../session_auth/session-auth.js";

export const client = createSessionClient({ baseUrl: "/api/auth/" });
export const factors = createFactors(client);
