// Forms that call the API, and show what it refused.

import { SessionAuthError } from "../session_auth/session-auth.js";
import { find } from "./dom.js";

/** Whether people know already: they have cancelled a question, or the notice at the top says it. */
const isTold = ({ code }) =>
  code === "reauthentication_required" ||
  (code === "session_ended" && find("#notice").textContent !== "");

/** Do `action`; if the API refuses it, say why in `place`. Returns the refusal. */
export async function attempt(place, action) {
  place.textContent = "";
  try {
    await action();
    return null;
  } catch (refusal) {
    if (!(refusal instanceof SessionAuthError)) throw refusal;
    if (!isTold(refusal)) show(refusal, place);
    return refusal;
  }
}

/** The sentence for people, and for the readers of this demo the code; the hint is under the hood. */
function show({ message, status, code, fields, retryAfter }, place) {
  const messages = Object.values(fields ?? {}).flat();
  const wait = retryAfter ? ` Try again in ${retryAfter} seconds.` : "";
  place.replaceChildren(messages.join(" ") || message, wait);
  if (!place.closest("dialog")) {
    const element = document.createElement("code");
    element.textContent = status ? `${status} ${code}` : code;
    place.append(" ", element);
  }
  place.scrollIntoView({ block: "nearest" });
}

/**
 * Run `action` with what stands in the form when it is sent. What it returns is said below the form,
 * if there is a place for it; so is a refusal, unless it stands beside its fields.
 */
export function onSubmit(form, action) {
  const button = find("button:not([type])", form);
  const [error, done] = [find(".error", form), find(".done", form)];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.ariaDisabled) return; // it is on its way
    button.ariaDisabled = "true"; // `disabled` would take the focus away
    for (const other of document.forms) forget(other);
    let said;
    const refusal = await attempt(error, async () => {
      said = await action(new FormData(form));
    });
    button.ariaDisabled = null;
    if (showFieldErrors(form, refusal?.fields ?? {})) error.textContent = "";
    if (refusal) return;
    form.reset();
    if (!done) return;
    done.textContent = said;
    done.scrollIntoView({ block: "nearest" });
  });
}

/** Take away what the form has said of an earlier attempt. */
function forget(form) {
  for (const place of form.querySelectorAll(".error, .done")) place.textContent = "";
  showFieldErrors(form, {});
}

/** Returns whether there is an error, and each has its place. */
function showFieldErrors(form, errors) {
  const names = new Set(Object.keys(errors));
  for (const place of form.querySelectorAll("[data-field]")) {
    const { field } = place.dataset;
    place.textContent = (errors[field] ?? []).join(" ");
    form.elements[field]?.setAttribute("aria-invalid", field in errors);
    names.delete(field);
  }
  find('[aria-invalid="true"]', form)?.focus();
  return names.size === 0 && Object.keys(errors).length > 0;
}
