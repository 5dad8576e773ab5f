// Two questions to the user: the password, where a call asks for a recent login, and whether they
// are still there, before the session ends.

import { showUser } from "./account.js";
import { client } from "./client.js";
import { clone, find } from "./dom.js";
import { attempt, onSubmit } from "./forms.js";

const SECOND = 1000;

/** Open the dialog in the template at `selector`; when it closes, it is gone. */
function open(selector) {
  const dialog = clone(selector);
  document.body.append(dialog);
  showUser(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

function closeAll() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

/** Ask for the password until it is right; resolves to false if the user cancels. */
function askForPassword() {
  const dialog = open("#proof");
  onSubmit(find("form", dialog), async (form) => {
    await client.reauthenticate({ password: form.get("password") });
    dialog.close("proven");
  });
  find(".cancel", dialog).addEventListener("click", () => dialog.close());
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "proven"));
  });
}

const REASONS = {
  idle: "Nothing has happened for a while. Your session ends in",
  absolute: "Your session has lasted for as long as it may. To go on, prove that it is you within",
};

/** The warning of WCAG 2.2.1: one simple action, and time enough for it. */
function warn({ secondsLeft, kind }) {
  closeAll();
  const dialog = open("#expiry");
  const { password } = find("form", dialog).elements;
  find("#expiry-reason", dialog).textContent = REASONS[kind];
  if (kind === "idle") find(".proof", dialog).remove();
  else password.focus();

  onSubmit(find("form", dialog), (form) =>
    kind === "idle"
      ? client.extend()
      : client.reauthenticate({ password: form.get("password") }),
  );
  find(".leave", dialog).addEventListener("click", () =>
    attempt(find(".error", dialog), client.logout),
  );

  const end = Date.now() + secondsLeft * SECOND;
  const count = () => {
    const left = Math.max(0, Math.round((end - Date.now()) / SECOND));
    const seconds = String(left % 60).padStart(2, "0");
    find(".countdown", dialog).textContent = `${Math.floor(left / 60)}:${seconds}`;
  };
  count();
  const clock = setInterval(count, SECOND);
  // Extended or ended, in this tab or another.
  const off = client.subscribe(() => {
    if (!client.getSnapshot().expiring) dialog.close();
  });
  dialog.addEventListener("close", () => {
    clearInterval(clock);
    off();
  });
}

client.onReauthenticationRequired(askForPassword);
client.on("expiring", warn);
for (const name of ["logout", "ended", "switched"]) client.on(name, closeAll);
