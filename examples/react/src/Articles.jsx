import { useSessionClient, useUser } from "django-session-auth/react";
import { useCallback } from "react";

import { NewArticle } from "./NewArticle.jsx";
import { Refusal } from "./Refusal.jsx";
import { useLoad } from "./useLoad.js";

export function Articles() {
  const client = useSessionClient();
  const user = useUser();
  const load = useCallback((signal) => client.json("/api/articles/", { signal }), [client]);
  const { data, refusal, reload } = useLoad(load);

  return (
    <>
      {user && <NewArticle onPublished={reload} />}
      <section>
        <h2>Articles</h2>
        <Refusal of={refusal} />
        {data?.articles.map((article) => (
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
