// A new password: for the old one, or by the link of a mail.

import { say } from "./account.js";
import { client } from "./client.js";
import { find } from "./dom.js";
import { attempt, onSubmit } from "./forms.js";

export function startPassword() {
  onSubmit(find("#change form"), async (form) => {
    await client.changePassword({
      oldPassword: form.get("old_password"),
      newPassword: form.get("new_password"),
    });
    return "Your password is changed. All your other sessions have ended.";
  });
  startAsking();
}

function startAsking() {
  onSubmit(find("#ask form"), (form) => client.requestPasswordReset({ email: form.get("email") }));
}

/** The link of the mail ends in #uid/token: what follows the # is sent to no server. */
export async function startChosen() {
  const [uid, token] = location.hash.slice(1).split("/");
  history.replaceState(null, "", location.pathname); // nor is it left in the address bar
  const [checking, choose, ask] = ["#checking", "#choose", "#ask"].map((id) => find(id));

  ask.hidden = true;
  startAsking();
  onSubmit(find("form", choose), async (form) => {
    await client.confirmPasswordReset({ uid, token, newPassword: form.get("new_password") });
    choose.hidden = true;
    find("#sign-in").hidden = false;
    say("Your password is changed. Sign in with it.");
    find("#username").focus();
  });

  // Before anybody types a password for a link that is used or too old.
  const refusal = await attempt(find("#link-error"), () =>
    client.checkPasswordReset({ uid, token }),
  );
  checking.hidden = true;
  const isBad = refusal?.code === "invalid_request"; // else nobody knows
  choose.hidden = isBad;
  ask.hidden = !isBad;
}
