import { useAction } from "django-session-auth/vue";
import { useTemplateRef } from "vue";

/** Return an action that changes something, shows what there is then, and puts the focus there. */
export function useChange(reload) {
  const heading = useTemplateRef("heading");
  return useAction(async (act) => {
    await act();
    await reload();
    heading.value?.focus(); // the button that had it may have gone
  });
}

export const timeOf = (moment) =>
  new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
