import { useSyncExternalStore } from "react";

const subscribe = (listener) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

/** Return the page that the address names: "articles" or "methods". */
export const usePage = () =>
  useSyncExternalStore(subscribe, () => location.hash.slice(1) || "articles");
