import { useAction, useSessionClient } from "django-session-auth/react";

import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";

export function SignIn() {
  const client = useSessionClient();
  const { run, pending, error } = useAction(client.login);

  function signIn(event) {
    event.preventDefault();
    const { username, password, remember } = event.currentTarget.elements;
    run({
      username: username.value,
      password: password.value,
      remember: remember.checked,
    });
  }

  return (
    <section>
      <h2>Sign in</h2>
      <form onSubmit={signIn}>
        <Field
          label="Username"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          required
          refusal={error}
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          refusal={error}
        />
        <label className="check">
          <input name="remember" type="checkbox" /> Keep me signed in on this browser
        </label>
        <button aria-disabled={pending}>Sign in</button>
        <Refusal of={error} />
      </form>
    </section>
  );
}
