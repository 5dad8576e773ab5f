import { useSessionClient, useUser } from "django-session-auth/react";
import { useEffect, useState } from "react";

import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

const ARTICLES = "/api/articles/";

export function Articles() {
  const client = useSessionClient();
  const user = useUser();
  const [articles, setArticles] = useState([]);
  const { attempt, refusal } = useAttempt();

  useEffect(() => {
    attempt(async () => setArticles((await client.json(ARTICLES)).articles));
  }, [client]);

  return (
    <>
      {user && (
        <NewArticle onPublished={(article) => setArticles((others) => [article, ...others])} />
      )}
      <section>
        <h2>Articles</h2>
        <Refusal of={refusal} />
        {articles.map((article) => (
          <article key={article.id}>
            <h3>{article.title}</h3>
            <p className="meta">
              {article.author} · {new Date(article.created_at).toLocaleString()}
            </p>
            <p className="text">{article.body}</p>
          </article>
        ))}
      </section>
    </>
  );
}

function NewArticle({ onPublished }) {
  const client = useSessionClient();
  const { attempt, isBusy, refusal } = useAttempt();

  function publish(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const { title, body } = form.elements;
    attempt(async () => {
      const article = { title: title.value, body: body.value };
      onPublished(await client.json(ARTICLES, { method: "POST", body: article }));
      form.reset();
    });
  }

  return (
    <section>
      <h2>Write an article</h2>
      <form onSubmit={publish}>
        <Field as="input" label="Title" name="title" maxLength={120} refusal={refusal} />
        <Field as="textarea" label="Text" name="body" maxLength={2000} rows={4} refusal={refusal} />
        <button disabled={isBusy}>Publish</button>
        <Refusal of={refusal} />
      </form>
    </section>
  );
}

/** A field, and what the server said against it. */
function Field({ as: Control, label, name, refusal, ...attributes }) {
  const messages = refusal?.fields?.[name] ?? [];
  const hint = `${name}-hint`;

  return (
    <label>
      {label}
      <Control
        name={name}
        aria-invalid={messages.length > 0}
        aria-describedby={hint}
        {...attributes}
      />
      <span className="hint" id={hint}>
        {messages.join(" ")}
      </span>
    </label>
  );
}
