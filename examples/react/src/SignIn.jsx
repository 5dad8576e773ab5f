import { useAction } from "django-session-auth/react";
import { useEffect, useState } from "react";

import { factors, hasPasskeys } from "./client.js";
import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";
import { SecondStep } from "./SecondStep.jsx";

/** By the password, with a second step if the user has a second factor; or by a passkey alone. */
export function SignIn() {
  const [stage, setStage] = useState(null);
  const [isRemembered, setRemembered] = useState(false);
  const [offers, setOffers] = useState(0);
  // Each resolves to what is still due. Once nothing is, this component goes.
  const { run, pending, error } = useAction(async (logIn) => setStage((await logIn()).stage));

  useEffect(() => {
    if (!hasPasskeys || stage) return;
    const aborter = new AbortController();
    const { signal } = aborter;
    // A question that is open would keep the page out of the back/forward cache.
    addEventListener("pagehide", () => aborter.abort(), { signal });
    factors.passkeys.autofill({ remember: isRemembered, signal }).then(
      (progress) => progress && setStage(progress.stage),
      // Given up: there are other ways. What the server has refused is told.
      (refusal) => refusal.status && run(() => Promise.reject(refusal)),
    );
    return () => aborter.abort();
  }, [isRemembered, offers, stage]);

  function signIn(event) {
    event.preventDefault();
    const { username, password } = event.currentTarget.elements;
    const credentials = {
      username: username.value,
      password: password.value,
      remember: isRemembered,
    };
    run(() => factors.login(credentials));
  }

  async function signInByPasskey() {
    await run(() => factors.passkeys.login({ remember: isRemembered }));
    setOffers((count) => count + 1); // the button has taken the place of the offer in the field
  }

  if (stage) return <SecondStep stage={stage} onProgress={setStage} />;

  return (
    <section>
      <h2>Sign in</h2>
      <form onSubmit={signIn}>
        <Field
          label="Username"
          name="username"
          autoComplete="username webauthn"
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
          <input
            name="remember"
            type="checkbox"
            checked={isRemembered}
            onChange={(event) => setRemembered(event.target.checked)}
          />{" "}
          Keep me signed in on this browser
        </label>
        <div className="row">
          <button aria-disabled={pending}>Sign in</button>
          {hasPasskeys && (
            <button
              className="quiet"
              type="button"
              aria-disabled={pending}
              onClick={signInByPasskey}
            >
              Use a passkey
            </button>
          )}
        </div>
        <Refusal of={error} />
      </form>
    </section>
  );
}
