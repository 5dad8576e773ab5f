// Forms that call the API, and show what it refused.

import { SessionAuthError } from "../session_auth/session-auth.js";
import { find } from "./dom.js";

/** Do `action`; if the API refuses it, say why in `place`, with the code. Returns the refusal. */
export async function attempt(place, action) {
  place.textContent = "";
  try {
    await action();
    return null;
  } catch (refusal) {
    if (!(refusal instanceof SessionAuthError)) throw refusal;
    const { message, status, code, retryAfter } = refusal;
    const element = document.createElement("code");
    element.textContent = status ? `${status} ${code}` : code;
    const wait = retryAfter ? ` Try again in ${retryAfter} seconds.` : "";
    place.append(message, wait, " ", element);
    return refusal;
  }
}

/** Run `action` with what stands in the form when it is sent; a refusal stands below it. */
export function onSubmit(form, action) {
  const button = find("button", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.ariaDisabled) return; // it is on its way
    button.ariaDisabled = "true"; // `disabled` would take the focus away
    const refusal = await attempt(find(".error", form), () => action(new FormData(form)));
    button.ariaDisabled = null;
    showFieldErrors(form, refusal?.fields ?? {});
    if (!refusal) form.reset();
  });
}

function showFieldErrors(form, errors) {
  for (const hint of form.querySelectorAll("[data-field]")) {
    const messages = errors[hint.dataset.field] ?? [];
    hint.textContent = messages.join(" ");
    form.elements[hint.dataset.field]?.setAttribute("aria-invalid", messages.length > 0);
  }
  find('[aria-invalid="true"]', form)?.focus();
}
