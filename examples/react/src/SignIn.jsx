import { useSessionClient } from "django-session-auth/react";

import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

export function SignIn() {
  const client = useSessionClient();
  const { attempt, isBusy, refusal } = useAttempt();

  function signIn(event) {
    event.preventDefault();
    const { username, password, remember } = event.currentTarget.elements;
    attempt(() =>
      client.login({
        username: username.value,
        password: password.value,
        remember: remember.checked,
      }),
    );
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
          refusal={refusal}
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          refusal={refusal}
        />
        <label className="check">
          <input name="remember" type="checkbox" /> Keep me signed in on this browser
        </label>
        <button aria-disabled={isBusy}>Sign in</button>
        <Refusal of={refusal} />
      </form>
    </section>
  );
}
