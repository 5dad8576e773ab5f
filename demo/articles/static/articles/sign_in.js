// Signing in: by the password, with a second factor if the user has one, or by a passkey alone.

import { client, factors } from "./client.js";
import { find, hasPasskeys } from "./dom.js";
import { attempt, onSubmit } from "./forms.js";

/** The method of a code that somebody has typed: apps show six digits. */
export function proofByCode(typed) {
  const code = typed.replaceAll(" ", "");
  return { method: /^\d{6}$/.test(code) ? "totp" : "recovery", code };
}

const [login, stage] = [find("#login"), find("#stage")];

function show(form) {
  for (const each of [login, stage]) each.hidden = each !== form;
}

/** Show the step that is due, or that the user is signed in. */
function goOn({ stage: due }) {
  if (!due) return done();
  const isSupported = due.methods.includes("passkey") && hasPasskeys();
  const takesCodes = due.methods.some((method) => method === "totp" || method === "recovery");
  show(stage);
  find("#stage-text").textContent = due.error;
  find("#stage-passkey").hidden = !isSupported;
  for (const element of stage.querySelectorAll(".code")) element.hidden = !takesCodes;
  find("#stage-code").required = takesCodes;
  (takesCodes ? find("#stage-code") : find("#stage-heading")).focus();
}

function done() {
  show(login);
  for (const error of document.querySelectorAll(".error")) error.textContent = "";
  find(".who").focus();
}

const place = (form) => find(".error", form);

/** Offer passkeys in the field for the name, as long as nobody is signed in. */
async function offerPasskeys() {
  if (!hasPasskeys() || client.getSnapshot().user) return;
  const aborter = new AbortController();
  const { signal } = aborter;
  // A question that is open would keep the page out of the back/forward cache.
  addEventListener("pagehide", () => aborter.abort(), { once: true });
  const off = client.on("login", () => aborter.abort());
  await attempt(place(login), async () => {
    const remember = login.elements.remember.checked;
    const progress = await factors.passkeys.autofill({ remember, signal }).catch((reason) => {
      // Nobody has asked for anything yet, so that no passkey was used is no news.
      if (!signal.aborted && reason.code !== "passkey_failed") throw reason;
    });
    if (progress) goOn(progress);
  });
  off();
}

export function startSignIn() {
  onSubmit(login, async (form) =>
    goOn(
      await factors.login({
        username: form.get("username"),
        password: form.get("password"),
        remember: form.has("remember"),
      }),
    ),
  );
  const byPasskey = find("#by-passkey");
  byPasskey.hidden = !hasPasskeys();
  byPasskey.addEventListener("click", async () => {
    const remember = login.elements.remember.checked;
    const refusal = await attempt(place(login), async () =>
      goOn(await factors.passkeys.login({ remember })),
    );
    if (refusal) offerPasskeys();
  });
  onSubmit(stage, async (form) => {
    const proof = proofByCode(form.get("code"));
    // Whoever has lost the phone is not to trust a browser by a recovery code.
    if (proof.method === "totp") proof.trust = form.has("trust");
    goOn(await factors.pass(proof));
  });
  find("#stage-passkey").addEventListener("click", () =>
    attempt(place(stage), async () =>
      goOn(await factors.pass({ method: "passkey", trust: stage.elements.trust.checked })),
    ),
  );
  find("#stage-cancel").addEventListener("click", () => {
    show(login);
    find("#username").focus();
  });
  client.on("logout", offerPasskeys);
  addEventListener("pageshow", ({ persisted }) => persisted && offerPasskeys());
  client.ready().then(offerPasskeys, () => {});
}
