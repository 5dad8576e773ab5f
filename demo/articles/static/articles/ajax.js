// The server rendered the list and the user; only what changes is asked of the API.

import { showUser, start } from "./page.js";

start(showUser);
