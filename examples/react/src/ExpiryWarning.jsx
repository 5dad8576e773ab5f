import { useAction, useCountdown, useSessionClient } from "django-session-auth/react";

import { ProofForm } from "./ProofForm.jsx";
import { Refusal } from "./Refusal.jsx";

/** Says in time that the session is about to end, and lets the user stay (WCAG 2.2.1). */
export function ExpiryWarning() {
  const client = useSessionClient();
  const warning = useCountdown();
  const extending = useAction(client.extend);
  const proving = useAction(client.reauthenticate);
  if (!warning) return null;

  return (
    <section className="warning" aria-label="Your session">
      {/* Only the first words are an alert: nobody wants to hear each second of it. */}
      <p>
        <span role="alert">You will be signed out</span> within {warning.secondsLeft} seconds.
      </p>
      {warning.kind === "idle" ? (
        <button aria-disabled={extending.pending} onClick={() => extending.run()}>
          Stay signed in
        </button>
      ) : (
        // However active the user is, this session ends, unless they prove who they are.
        <ProofForm action="Stay signed in" {...proving} prove={proving.run} />
      )}
      <Refusal of={extending.error} />
    </section>
  );
}
