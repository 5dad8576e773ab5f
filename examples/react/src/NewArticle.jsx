import { useAction, useSessionClient } from "django-session-auth/react";
import { useEffect, useRef, useState } from "react";

import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";

export function NewArticle({ onPublished }) {
  const client = useSessionClient();
  const form = useRef(null);
  const [news, setNews] = useState("");
  const { run, pending, error } = useAction(async (article) => {
    setNews("");
    await client.json("/api/articles/", { method: "POST", body: article });
    form.current?.reset();
    setNews(`Published: ${article.title}`);
    await onPublished();
  });

  useEffect(() => {
    form.current.querySelector("[aria-invalid=true]")?.focus();
  }, [error]);

  function publish(event) {
    event.preventDefault();
    const { title, body } = form.current.elements;
    run({ title: title.value, body: body.value });
  }

  return (
    <section>
      <h2>Write an article</h2>
      <form ref={form} onSubmit={publish}>
        <Field label="Title" name="title" maxLength={120} required refusal={error} />
        <Field
          as="textarea"
          label="Text"
          name="body"
          maxLength={2000}
          rows={4}
          required
          refusal={error}
        />
        <button aria-disabled={pending}>Publish</button>
        <p role="status">{news}</p>
        <Refusal of={error} />
      </form>
    </section>
  );
}
