import { SessionAuthError } from "django-session-auth";
import { useCallback, useEffect, useRef, useState } from "react";

/**
 * Load what a component shows: when it comes, and again by reload(). A newer load cancels an older
 * one, and so does the end of the component. `load` is given the signal, and must be stable.
 */
export function useLoad(load) {
  const [data, setData] = useState(null);
  const [refusal, setRefusal] = useState(null);
  const loading = useRef(null);

  const reload = useCallback(async () => {
    loading.current?.abort();
    const { signal } = (loading.current = new AbortController());
    try {
      const loaded = await load(signal);
      if (signal.aborted) return;
      setData(loaded);
      setRefusal(null);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SessionAuthError)) throw error;
      setRefusal(error);
    }
  }, [load]);

  useEffect(() => {
    reload();
    return () => loading.current.abort();
  }, [reload]);

  return { data, refusal, reload };
}
