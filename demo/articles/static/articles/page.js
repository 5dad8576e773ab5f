// What the three pages with articles share.

import { attempt, client, find, onSubmit } from "./forms.js";

const articlesUrl = document.body.dataset.articlesUrl;

/** Text only ever goes in as text, so what a user wrote cannot become HTML. */
function articleElement({ title, author, body, created_at }) {
  const element = find("#article").content.firstElementChild.cloneNode(true);
  find("h3", element).textContent = title;
  find(".author", element).textContent = author;
  find(".body", element).textContent = body;
  find("time", element).dateTime = created_at;
  showTime(find("time", element));
  return element;
}

/** Show a time in the visitor's own zone and way of writing, which the server does not know. */
export function showTime(element) {
  element.textContent = new Date(element.dateTime).toLocaleString([], {
    dateStyle: "medium",
    timeStyle: "short",
  });
}

export function showArticles(articles) {
  find("#articles").replaceChildren(...articles.map(articleElement));
}

function addArticle(article) {
  find("#articles").prepend(articleElement(article));
}

/** Show the forms for `user`, or for a visitor if it is null. */
export function showUser(user) {
  find('[data-for="anonymous"]').hidden = user !== null;
  find('[data-for="user"]').hidden = user === null;
  find("#me").textContent = user?.username ?? "";
}

/** Ask the API for everything that this page shows. */
export async function refresh() {
  await attempt(find("#loading"), async () => {
    const [user, { articles }] = await Promise.all([client.user(), client.json(articlesUrl)]);
    showUser(user);
    showArticles(articles);
  });
}

onSubmit(find("#login"), async (form) => {
  const user = await client.login({
    username: form.get("username"),
    password: form.get("password"),
    remember: form.has("remember"),
  });
  showUser(user);
  find("#write .error").textContent = ""; // "Log in first" has been done
  find('[data-for="user"] [tabindex]').focus();
});

onSubmit(find("#write"), async (form) => {
  addArticle(await client.json(articlesUrl, { method: "POST", body: Object.fromEntries(form) }));
});

find("#logout").addEventListener("click", async () => {
  await attempt(find('[data-for="user"] .error'), async () => {
    await client.logout();
    showUser(null);
    find('[data-for="anonymous"] [tabindex]').focus();
  });
});

addEventListener("signed-out", () => showUser(null));

// The back button may bring back the page as it was before a sign-out.
addEventListener("pageshow", (event) => {
  if (event.persisted) refresh();
});
