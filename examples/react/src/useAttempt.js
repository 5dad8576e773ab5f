import { SessionAuthError } from "django-session-auth";
import { useState } from "react";

/** Do what the server may refuse, and keep the refusal, so that the component can show it. */
export function useAttempt() {
  const [refusal, setRefusal] = useState(null);
  const [isBusy, setIsBusy] = useState(false);

  async function attempt(action) {
    if (isBusy) return; // a second click
    setIsBusy(true);
    setRefusal(null);
    try {
      await action();
    } catch (error) {
      if (!(error instanceof SessionAuthError)) throw error;
      if (error.code === "reauthentication_required") return; // the user has cancelled
      setRefusal(error);
    } finally {
      setIsBusy(false);
    }
  }

  return { attempt, isBusy, refusal };
}
