// Two questions to the user: a proof, where a call asks for a recent login, and whether they
// are still there, before the session ends.

import { showUser } from "./account.js";
import { client, factors } from "./client.js";
import { clone, find, hasPasskeys } from "./dom.js";
import { attempt, onSubmit } from "./forms.js";
import { proofByCode } from "./sign_in.js";

const SECOND = 1000;

/** Open the dialog in the template at `selector`; when it closes, it is gone. */
export function open(selector) {
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

/** Ask for what the user has until it is right; resolves to false if the user cancels. */
async function askForProof() {
  const { passkeys, totp } = await factors.list();
  const dialog = open("#proof");
  const [passkey, code] = [find(".passkey", dialog), find(".code", dialog)];
  const prove = async (...proofs) => {
    for (const proof of proofs) await factors.prove(proof);
    dialog.close("proven");
  };
  // A passkey is two factors; else both are asked for, if the user has a second one.
  passkey.hidden = !passkeys.length || !hasPasskeys();
  code.hidden = !passkeys.length && !totp;
  find("input", code).required = !code.hidden;
  if (!passkey.hidden) passkey.focus();
  passkey.addEventListener("click", () =>
    attempt(find(".error", dialog), () => prove({ method: "passkey" })),
  );
  onSubmit(find("form", dialog), (form) =>
    prove(
      { password: form.get("password") },
      ...(code.hidden ? [] : [proofByCode(form.get("code"))]),
    ),
  );
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

client.onReauthenticationRequired(askForProof);
client.on("expiring", warn);
for (const name of ["logout", "ended", "switched"]) client.on(name, closeAll);
