// What the three pages share: the client, the forms, and one article as HTML.

import {
  SessionAuthError,
  createSessionClient,
} from "../session_auth/session-auth.js";

export const client = createSessionClient({ baseUrl: "/api/auth/" });
export const articlesUrl = document.body.dataset.articlesUrl;

export const find = (selector, root = document) => root.querySelector(selector);

/** Text only ever goes in as text, so what a user wrote cannot become HTML. */
export function articleElement({ title, author, body, created_at }) {
  const element = find("#article").content.firstElementChild.cloneNode(true);
  find("h3", element).textContent = title;
  find(".author", element).textContent = author;
  find(".body", element).textContent = body;
  const time = find("time", element);
  time.dateTime = created_at;
  time.textContent = new Date(created_at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return element;
}

export function showArticles(articles) {
  find("#articles").replaceChildren(...articles.map(articleElement));
}

export function addArticle(article) {
  find("#articles").prepend(articleElement(article));
}

/** Show the forms for `user`, or for a visitor if it is null. */
export function showUser(user) {
  find('[data-for="anonymous"]').hidden = user !== null;
  find('[data-for="user"]').hidden = user === null;
  find("#me").textContent = user?.username ?? "";
}

/** Run `action` when the form is sent; a refusal stands below it, with its code. */
function onSubmit(form, action) {
  const error = find(".error", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = find("button", form);
    button.disabled = true;
    showRefusal(form, error, null);
    try {
      await action(new FormData(form));
      form.reset();
    } catch (reason) {
      if (!(reason instanceof SessionAuthError)) throw reason;
      showRefusal(form, error, reason);
    } finally {
      button.disabled = false;
    }
  });
}

function showRefusal(form, element, refusal) {
  element.textContent = refusal?.message ?? "";
  if (refusal) {
    const code = document.createElement("code");
    code.textContent = refusal.status ? `${refusal.status} ${refusal.code}` : refusal.code;
    element.append(" ", code);
  }
  for (const hint of form.querySelectorAll("[data-field]")) {
    hint.textContent = refusal?.fields?.[hint.dataset.field]?.join(" ") ?? "";
  }
}

/** Wire the forms; `changed` is called with the user, or null, after each login and logout. */
export function start(changed) {
  onSubmit(find("#login"), async (form) => {
    changed(
      await client.login({
        username: form.get("username"),
        password: form.get("password"),
        remember: form.has("remember"),
      }),
    );
  });
  onSubmit(find("#write"), async (form) => {
    addArticle(
      await client.json(articlesUrl, { method: "POST", body: Object.fromEntries(form) }),
    );
  });
  find("#logout").addEventListener("click", async () => {
    await client.logout();
    changed(null);
  });
}
