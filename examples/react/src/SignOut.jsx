import { useSessionClient } from "django-session-auth/react";

import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

/** Signs out of all tabs, since they share the session. */
export function SignOut() {
  const client = useSessionClient();
  const { attempt, isBusy, refusal } = useAttempt();

  return (
    <>
      <button className="quiet" aria-disabled={isBusy} onClick={() => attempt(client.logout)}>
        Sign out
      </button>
      <Refusal of={refusal} />
    </>
  );
}
