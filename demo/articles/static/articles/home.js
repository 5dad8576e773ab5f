// The first page follows what happens in other tabs.

import "./account.js";
import "./dialogs.js";
