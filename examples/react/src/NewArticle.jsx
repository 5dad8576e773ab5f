import { useSessionClient } from "django-session-auth/react";
import { useEffect, useRef, useState } from "react";

import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

export function NewArticle({ onPublished }) {
  const client = useSessionClient();
  const form = useRef(null);
  const [news, setNews] = useState("");
  const { attempt, isBusy, refusal } = useAttempt();

  useEffect(() => {
    form.current.querySelector("[aria-invalid=true]")?.focus();
  }, [refusal]);

  function publish(event) {
    event.preventDefault();
    const { title, body } = form.current.elements;
    const article = { title: title.value, body: body.value };
    attempt(async () => {
      setNews("");
      await client.json("/api/articles/", { method: "POST", body: article });
      form.current?.reset();
      setNews(`Published: ${article.title}`);
      await onPublished();
    });
  }

  return (
    <section>
      <h2>Write an article</h2>
      <form ref={form} onSubmit={publish}>
        <Field label="Title" name="title" maxLength={120} required refusal={refusal} />
        <Field
          as="textarea"
          label="Text"
          name="body"
          maxLength={2000}
          rows={4}
          required
          refusal={refusal}
        />
        <button aria-disabled={isBusy}>Publish</button>
        <p role="status">{news}</p>
        <Refusal of={refusal} />
      </form>
    </section>
  );
}
