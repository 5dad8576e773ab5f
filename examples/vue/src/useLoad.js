import { SessionAuthError } from "django-session-auth";
import { onScopeDispose, shallowRef } from "vue";

/**
 * Load what a component shows: when it comes, and again by reload(). A newer load cancels an older
 * one, and so does the end of the component. `load` is given the signal.
 */
export function useLoad(load) {
  const data = shallowRef(null);
  const refusal = shallowRef(null);
  let loading;

  async function reload() {
    loading?.abort();
    const { signal } = (loading = new AbortController());
    try {
      const loaded = await load(signal);
      if (signal.aborted) return;
      data.value = loaded;
      refusal.value = null;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SessionAuthError)) throw error;
      refusal.value = error;
    }
  }

  reload();
  onScopeDispose(() => loading.abort());
  return { data, refusal, reload };
}
