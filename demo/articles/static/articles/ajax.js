// The server rendered the list and the user; only what changes is asked of the API.

import { showTime } from "./page.js";

document.querySelectorAll("#articles time").forEach(showTime);
