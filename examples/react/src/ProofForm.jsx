import { useUser } from "django-session-auth/react";

import { proofByCode } from "./client.js";
import { CodeField } from "./CodeField.jsx";
import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";

/** Ask for the password of whoever is signed in, and for a code if they have a second factor. */
export function ProofForm({ action, children, error, pending, prove, takesCode = false }) {
  const user = useUser();

  function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const { password, code } = form.elements;
    const proofs = [{ password: password.value }];
    if (takesCode) proofs.push(proofByCode(code.value));
    form.reset();
    prove(...proofs);
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
      {takesCode && <CodeField refusal={error} />}
      <div className="row">
        <button aria-disabled={pending}>{action}</button>
        {children}
      </div>
      <Refusal of={error} />
    </form>
  );
}
