import { SessionAuthError } from "django-session-auth";
import { ref, shallowRef } from "vue";

/** Do what the server may refuse, and keep the refusal, so that the component can show it. */
export function useAttempt() {
  const refusal = shallowRef(null);
  const isBusy = ref(false);

  async function attempt(action) {
    if (isBusy.value) return; // a second click
    isBusy.value = true;
    refusal.value = null;
    try {
      await action();
    } catch (error) {
      if (!(error instanceof SessionAuthError)) throw error;
      if (error.code === "reauthentication_required") return; // the user has cancelled
      refusal.value = error;
    } finally {
      isBusy.value = false;
    }
  }

  return { attempt, isBusy, refusal };
}
