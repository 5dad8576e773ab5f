// The one client of the page, and all that a project has to write to have it.

import { createFactors } from "../session_auth/factors.js";
import { createLive } from "../session_auth/live.js";
import { createSessionClient } from "../session_auth/session-auth.js";

export const client = createSessionClient({ baseUrl: "/api/auth/" });
export const factors = createFactors(client);
export const live = createLive(client);
