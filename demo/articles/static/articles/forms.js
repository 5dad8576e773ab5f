// What all pages share: the client, and forms that show what the API refused.

import { SessionAuthError, createSessionClient } from "../session_auth/session-auth.js";

export const client = createSessionClient({ baseUrl: "/api/auth/" });
export const find = (selector, root = document) => root.querySelector(selector);

/** Do `action`; if the API refuses it, say why in `place`, with the code. Returns the refusal. */
export async function attempt(place, action) {
  place.textContent = "";
  try {
    await action();
    return null;
  } catch (refusal) {
    if (!(refusal instanceof SessionAuthError)) throw refusal;
    const code = document.createElement("code");
    code.textContent = refusal.status ? `${refusal.status} ${refusal.code}` : refusal.code;
    place.append(refusal.message, " ", code);
    // Signed out elsewhere, or the session has ended: no page must go on as if nobody had.
    if (refusal.status === 401) dispatchEvent(new Event("signed-out"));
    return refusal;
  }
}

/** Run `action` with what stands in the form when it is sent; a refusal stands below it. */
export function onSubmit(form, action) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = find("button", form);
    button.disabled = true;
    const refusal = await attempt(find(".error", form), () => action(new FormData(form)));
    button.disabled = false;
    showFieldErrors(form, refusal?.fields ?? {});
    if (!refusal) form.reset();
  });
}

function showFieldErrors(form, errors) {
  for (const hint of form.querySelectorAll("[data-field]")) {
    const messages = errors[hint.dataset.field] ?? [];
    hint.textContent = messages.join(" ");
    form.elements[hint.dataset.field].setAttribute("aria-invalid", messages.length > 0);
  }
}
