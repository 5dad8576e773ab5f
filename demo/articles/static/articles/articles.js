// Articles: the latest ones, and the form that adds one.

import { client, live } from "./client.js";
import { clone, fill, find, timeText } from "./dom.js";
import { attempt, onSubmit } from "./forms.js";

const { articlesUrl, streamUrl } = document.body.dataset;

export function showTime(element) {
  element.textContent = timeText(element.dateTime);
}

function articleElement({ id, title, author, body, created_at }) {
  const element = clone("#article");
  element.dataset.id = id;
  fill(element, { h3: title, ".author": author, ".body": body });
  const time = find("time", element);
  time.dateTime = created_at;
  showTime(time);
  return element;
}

export function showArticles(articles, list = find("#articles")) {
  list.replaceChildren(...articles.map(articleElement));
}

export async function loadArticles() {
  const list = find("#articles"); // which another view may have replaced when the answer comes
  await attempt(find("#loading"), async () => {
    const { articles } = await client.json(articlesUrl);
    showArticles(articles, list);
  });
}

/** Put an article on top, unless it is there: the answer and the stream both bring one's own. */
function addArticle(article, list) {
  if (!find(`[data-id="${article.id}"]`, list)) list.prepend(articleElement(article));
}

/** Show what others write as they do, where an ASGI server serves the page. */
export function followArticles() {
  if (!streamUrl) return;
  live.events(streamUrl, {
    article({ data }) {
      const list = find("#articles"); // which the view may not have
      if (list) addArticle(JSON.parse(data), list);
    },
  });
}

export function startWriting() {
  const panel = find(".write");
  client.ready().then(({ user }) => (panel.open ||= Boolean(user)), () => {});
  const list = find("#articles");
  onSubmit(find("#write"), async (form) => {
    const body = Object.fromEntries(form);
    const article = await client.json(articlesUrl, { method: "POST", body });
    addArticle(article, list);
  });
}
