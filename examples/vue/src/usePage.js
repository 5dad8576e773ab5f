import { onScopeDispose, ref } from "vue";

const pageOf = () => location.hash.slice(1) || "articles";

/** Return a ref to the page that the address names: "articles" or "methods". */
export function usePage() {
  const page = ref(pageOf());
  const look = () => (page.value = pageOf());
  addEventListener("hashchange", look);
  onScopeDispose(() => removeEventListener("hashchange", look));
  return page;
}
