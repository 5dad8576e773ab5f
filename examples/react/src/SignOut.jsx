import { useAction, useSessionClient } from "django-session-auth/react";

import { Refusal } from "./Refusal.jsx";

/** Signs out of all tabs, since they share the session. */
export function SignOut() {
  const client = useSessionClient();
  const { run, pending, error } = useAction(client.logout);

  return (
    <>
      <button className="quiet" aria-disabled={pending} onClick={() => run()}>
        Sign out
      </button>
      <Refusal of={error} />
    </>
  );
}
