// The first state is in the page; from there on, the API is asked.

import "./account.js";
import "./dialogs.js";
import { followArticles, loadArticles, showArticles, startWriting } from "./articles.js";
import { find } from "./dom.js";

showArticles(JSON.parse(find("#start").textContent));
startWriting();
followArticles();
find("#reload").addEventListener("click", loadArticles);
