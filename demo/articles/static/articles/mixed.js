// The first state is in the page; from there on, the API is asked.

import { find } from "./forms.js";
import { refresh, showArticles, showUser } from "./page.js";

const { user, articles } = JSON.parse(find("#start").textContent);
showUser(user);
showArticles(articles);

find("#reload").addEventListener("click", refresh);
