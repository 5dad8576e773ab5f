// A new password: for the old one, or by the link of a mail.

import { client } from "./client.js";
import { find } from "./dom.js";
import { onSubmit } from "./forms.js";

export function startPassword() {
  const done = find("#done");

  onSubmit(find("#change form"), async (form) => {
    await client.changePassword({
      oldPassword: form.get("old_password"),
      newPassword: form.get("new_password"),
    });
    done.textContent = "Your password is changed. All other devices are signed out.";
  });

  onSubmit(find("#ask form"), async (form) => {
    done.textContent = await client.requestPasswordReset({ email: form.get("email") });
  });
}

/** The link of the mail ends in #uid/token: what follows the # is sent to no server. */
export function startChosen() {
  const done = find("#done");
  const [uid, token] = location.hash.slice(1).split("/");
  history.replaceState(null, "", location.pathname); // nor is it left in the address bar

  onSubmit(find("#view form"), async (form) => {
    await client.confirmPasswordReset({ uid, token, newPassword: form.get("new_password") });
    done.textContent = "Your password is changed. Sign in with it.";
  });
}
