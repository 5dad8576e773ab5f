import { useSessionClient, useUser } from "django-session-auth/react";

import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

/** Ask for the password of whoever is signed in. */
export function ProofForm({ action, children, onProven }) {
  const client = useSessionClient();
  const user = useUser();
  const { attempt, isBusy, refusal } = useAttempt();

  function prove(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const password = form.elements.password.value;
    attempt(async () => {
      form.reset();
      await client.reauthenticate({ password });
      onProven?.();
    });
  }

  return (
    <form onSubmit={prove}>
      {/* Tells password managers whose password it is. */}
      <input autoComplete="username" value={user.username} readOnly hidden />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
        refusal={refusal}
      />
      <div className="row">
        <button aria-disabled={isBusy}>{action}</button>
        {children}
      </div>
      <Refusal of={refusal} />
    </form>
  );
}
