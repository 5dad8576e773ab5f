import { useSession, useSessionClient } from "django-session-auth/react";

import { ProofForm } from "./ProofForm.jsx";
import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

/** Says in time that the session is about to end, and lets the user stay (WCAG 2.2.1). */
export function ExpiryWarning() {
  const client = useSessionClient();
  const { expiring } = useSession();
  const { attempt, isBusy, refusal } = useAttempt();
  if (!expiring) return null;

  return (
    <section className="warning" aria-label="Your session">
      <p role="alert">You will be signed out within {expiring.secondsLeft} seconds.</p>
      {expiring.kind === "idle" ? (
        <button aria-disabled={isBusy} onClick={() => attempt(client.extend)}>
          Stay signed in
        </button>
      ) : (
        // However active the user is, this session ends, unless they prove who they are.
        <ProofForm action="Stay signed in" />
      )}
      <Refusal of={refusal} />
    </section>
  );
}
