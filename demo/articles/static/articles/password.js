// A new password: for the old one, or by the link of a mail.

import { client, find, onSubmit } from "./forms.js";

const url = (path) => `/api/auth/password/${path}`;
const send = (path, body) => client.json(url(path), { method: "POST", body });
const done = (section, text) => {
  find(".done", section).textContent = text;
};

onSubmit(find("#change form"), async (form) => {
  await send("change/", Object.fromEntries(form));
  done(find("#change"), "Your password is changed. All other devices are signed out.");
});

onSubmit(find("#ask form"), async (form) => {
  const { message } = await send("reset/", Object.fromEntries(form));
  done(find("#ask"), message);
});

// The link of the mail ends in #uid/token: what follows the # is sent to no server.
function readLink() {
  const [uid, token] = location.hash.slice(1).split("/");
  const { elements } = find("#confirm form");
  [elements.uid.value, elements.token.value] = [uid, token ?? ""];
  find("#confirm").hidden = !token;
  find("#ask").hidden = find("#change").hidden = Boolean(token);
}

onSubmit(find("#confirm form"), async (form) => {
  await send("reset/confirm/", Object.fromEntries(form));
  history.replaceState(null, "", location.pathname); // the link is used up
  done(find("#confirm"), "Your password is changed. Sign in with it.");
});

addEventListener("hashchange", readLink);
readLink();
