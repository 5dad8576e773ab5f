// The user's sessions: list them, end one or all others, and prove the password where asked to.

import { attempt, client, find } from "./forms.js";

const sessionsUrl = "/api/auth/sessions/";

function time(moment) {
  return new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function deviceElement(session) {
  const element = find("#device").content.firstElementChild.cloneNode(true);
  find(".name", element).textContent = session.device || "Unknown";
  if (!session.current) find(".badge", element).remove();
  find(".meta", element).textContent =
    `${session.ip} · since ${time(session.created_at)} · last seen ${time(session.last_seen_at)}`;
  find("button", element).addEventListener("click", () =>
    change(`${sessionsUrl}${session.id}/`),
  );
  return element;
}

async function show() {
  const { sessions } = await client.json(sessionsUrl);
  find("#devices").replaceChildren(...sessions.map(deviceElement));
  find("#end-others").hidden = sessions.length < 2;
}

/** End what is at `url`, after a proof of the password if the server asks for one. */
async function change(url) {
  await attempt(find("#refusal"), async () => {
    const end = () => client.json(url, { method: "DELETE" });
    try {
      await end();
    } catch (refusal) {
      if (refusal.code !== "reauthentication_required") throw refusal;
      if (!(await askForProof())) return;
      await end();
    }
    await show();
  });
}

/** Ask for the password until it is right; resolves to false if the user cancels. */
function askForProof() {
  const dialog = find("#proof");
  const form = find("form", dialog);
  const error = find(".error", dialog);
  error.textContent = "";
  dialog.showModal();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const password = form.elements.password.value;
      form.reset();
      try {
        await client.json("/api/auth/reauthenticate/", { method: "POST", body: { password } });
        resolve(true);
        dialog.close();
      } catch (refusal) {
        error.textContent = refusal.message;
      }
    };
    find("button[type=button]", dialog).onclick = () => dialog.close();
    dialog.onclose = () => resolve(false); // no matter after a proof: that was first
  });
}

addEventListener("signed-out", () => find("#devices").replaceChildren());
find("#end-others").addEventListener("click", () => change(sessionsUrl));
await attempt(find("#refusal"), show);
