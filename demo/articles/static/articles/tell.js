// In the admin: find out who is signed in, and so tell the other tabs.

import { client } from "./client.js";

client.ready().catch(() => {}); // the others go on with what they know
