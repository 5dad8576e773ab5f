// The server rendered the articles and the user; what changes is asked of the API.

import "./account.js";
import "./dialogs.js";
import { followArticles, showTime, startWriting } from "./articles.js";

document.querySelectorAll("#articles time").forEach(showTime);
startWriting();
followArticles();
