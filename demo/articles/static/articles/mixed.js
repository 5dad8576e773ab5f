// The first state is in the page; from there on, the API is asked.

import { articlesUrl, client, find, showArticles, showUser, start } from "./page.js";

const { user, articles } = JSON.parse(find("#start").textContent);
showUser(user);
showArticles(articles);
start(showUser);

find("#reload").addEventListener("click", async () => {
  const [user, { articles }] = await Promise.all([client.user(), client.json(articlesUrl)]);
  showUser(user);
  showArticles(articles);
});
