import { useUser } from "django-session-auth/react";

import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";

/** Ask for the password of whoever is signed in. */
export function ProofForm({ action, children, error, pending, prove }) {
  const user = useUser();

  function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const password = form.elements.password.value;
    form.reset();
    prove({ password });
  }

  return (
    <form onSubmit={submit}>
      {/* Tells password managers whose password it is. */}
      <input autoComplete="username" value={user.username} readOnly hidden />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
        refusal={error}
      />
      <div className="row">
        <button aria-disabled={pending}>{action}</button>
        {children}
      </div>
      <Refusal of={error} />
    </form>
  );
}
