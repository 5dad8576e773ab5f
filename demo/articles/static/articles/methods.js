// What the user can sign in with, beside the password: passkeys, an authenticator app, recovery codes.
// Where the server wants a recent proof, the client asks (see dialogs.js) and sends the call again.

import { client, factors } from "./client.js";
import { open } from "./dialogs.js";
import { clone, fill, find, hasPasskeys, timeText } from "./dom.js";
import { attempt, onSubmit } from "./forms.js";

function passkeyElement({ id, name, created_at: created, last_used_at: used }) {
  const element = clone("#passkey");
  const use = used ? `last used ${timeText(used)}` : "not used yet";
  fill(element, { ".name": name, ".meta": `Added ${timeText(created)} · ${use}` });
  const [rename, remove] = [find(".rename", element), find(".remove", element)];
  rename.setAttribute("aria-label", `Rename ${name}`);
  remove.setAttribute("aria-label", `Remove ${name}`);
  rename.addEventListener("click", () => askForName(id, name));
  remove.addEventListener("click", () => change(() => factors.passkeys.remove(id), "#passkeys-heading"));
  return element;
}

function askForName(id, name) {
  const dialog = open("#rename");
  const field = find("input", dialog);
  field.value = name;
  field.select();
  onSubmit(find("form", dialog), async (form) => {
    await factors.passkeys.rename(id, form.get("name"));
    dialog.close();
    await show("#passkeys-heading");
  });
  find(".cancel", dialog).addEventListener("click", () => dialog.close());
}

/** Show what there is; put the focus on the heading, since the button that had it may be gone. */
async function show(heading) {
  if (!client.getSnapshot().user || !find("#passkeys")) return;
  const { passkeys, totp, recovery_codes_left: left, available } = await factors.list();
  if (!find("#passkeys")) return; // another view by now
  find("#passkeys").replaceChildren(...passkeys.map(passkeyElement));
  const isOffered = available.includes("passkey") && hasPasskeys();
  find("#add-passkey").hidden = !isOffered;
  find("#no-passkeys").hidden = isOffered;
  fill(document, {
    "#app-state": totp
      ? `Set up ${timeText(totp.created_at)}. It shows six digits, which are asked for after your password.`
      : "It shows six digits, which are then asked for after your password.",
    "#begin-app": totp ? "Set up another app" : "Set up an app",
    "#codes-state": left
      ? `You have ${left} left. Each stands in once for a lost phone.`
      : "You have none. Each would stand in once for a lost phone.",
  });
  find("#remove-app").hidden = !totp;
  find("#remove-codes").hidden = !left;
  if (heading) find(heading).focus();
}

/** Change something, and show what there is then. */
const change = (action, heading) =>
  attempt(find("#methods-error"), async () => {
    await action();
    await show(heading);
  });

/** Put the SVG element of the server into the page, as an image and not as markup. */
function drawCode(svg) {
  const { documentElement } = new DOMParser().parseFromString(svg, "image/svg+xml");
  find("#qr-code").replaceChildren(document.importNode(documentElement, true));
}

/** For people who find them in a drawer, years later. */
const purpose = () => `Recovery codes of ${client.getSnapshot().user.username} for ${location.host}`;

function showCodes(codes) {
  find("#codes-for").textContent = purpose();
  const items = codes.map((code) => Object.assign(document.createElement("li"), { textContent: code }));
  find("#codes").replaceChildren(...items);
  find("#new-codes").hidden = false;
}

function saveCodes() {
  const codes = [...document.querySelectorAll("#codes li")].map((item) => item.textContent);
  const text = [purpose(), ...codes, ""].join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
}

export function startMethods() {
  onSubmit(find("#add-passkey"), async (form) => {
    await factors.passkeys.add({ name: form.get("name") });
    await show();
    return "The passkey is added. You can sign in with it now, without a password.";
  });
  const confirm = find("#confirm-app");
  find("#begin-app").addEventListener("click", () =>
    attempt(find("#methods-error"), async () => {
      const { secret, qr_code: svg } = await factors.totp.begin();
      drawCode(svg);
      fill(document, { "#app-secret": secret });
      confirm.hidden = false;
      find("#app-code").focus();
    }),
  );
  onSubmit(confirm, async (form) => {
    await factors.totp.confirm(form.get("code").replaceAll(" ", ""));
    confirm.hidden = true;
    await show("#app-heading");
  });
  find("#remove-app").addEventListener("click", () => change(factors.totp.remove, "#app-heading"));
  find("#make-codes").addEventListener("click", () =>
    change(async () => showCodes(await factors.recoveryCodes.renew()), "#codes-heading"),
  );
  find("#remove-codes").addEventListener("click", () =>
    change(async () => {
      await factors.recoveryCodes.remove();
      find("#new-codes").hidden = true;
    }, "#codes-heading"),
  );
  find("#save-codes").addEventListener("click", saveCodes);
  find("#print-codes").addEventListener("click", () => print());
}

/** Show what the user of now has, and nothing of the one before. */
export function loadMethods() {
  for (const selector of ["#passkeys", "#codes", "#qr-code", "#app-secret"]) {
    find(selector).replaceChildren();
  }
  for (const selector of ["#new-codes", "#confirm-app"]) find(selector).hidden = true;
  return attempt(find("#methods-error"), () => show());
}
