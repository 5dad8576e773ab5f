// Who is signed in, on any page: the form, the name, and the button to sign out.

import { client } from "./client.js";
import { fill, find } from "./dom.js";
import { attempt } from "./forms.js";
import { startSignIn } from "./sign_in.js";

/** Show below `root` what is for the user, or for a visitor. */
export function showUser(root = document) {
  const { status, user } = client.getSnapshot();
  if (status === "loading") return; // the page stays as the server made it
  for (const element of root.querySelectorAll("[data-for]")) {
    element.hidden = (element.dataset.for === "user") !== Boolean(user);
  }
  // For password managers, to know whose password a form is about.
  for (const field of root.querySelectorAll(".me")) field.defaultValue = user?.username ?? "";
  fill(document, { "#me": user?.username ?? "", ".avatar": user?.username[0].toUpperCase() ?? "" });
}

/** Say `text` at the top of the window, until it is dismissed; nothing says nothing. */
export function say(text, { isWarning = false } = {}) {
  const notice = find("#notice");
  notice.replaceChildren();
  if (!text) return;
  notice.classList.toggle("warning", isWarning);
  notice.append(find("#notice-text").content.cloneNode(true));
  fill(notice, { p: text });
  find("button", notice).addEventListener("click", () => say());
}

const warn = (text) => say(text, { isWarning: true });

const ENDED = {
  idle: "Your session has ended: nothing happened for a while. Sign in to go on.",
  absolute: "Your session has ended: it had lasted as long as it may. Sign in to go on.",
  ended: "Your session was ended from elsewhere. Sign in to go on.",
};

/** Open the form for articles, or fold it. */
function setWriting(isOpen) {
  for (const panel of document.querySelectorAll(".write")) panel.open = isOpen;
}

client.subscribe(() => showUser());
client.on("login", () => {
  say();
  setWriting(true);
});
client.on("logout", () => {
  say("You are signed out, in every tab.");
  setWriting(false);
});
client.on("ended", ({ reason }) => warn(ENDED[reason]));
client.on("switched", ({ user }) => warn(`${user.username} has signed in, in another tab.`));
// What was typed into the page was typed by another.
for (const name of ["logout", "switched"]) {
  client.on(name, () => {
    for (const form of document.forms) form.reset();
  });
}
addEventListener("offline", () => warn("You are offline. What you see may be old."));
addEventListener("online", () => say());

const login = find("#login"); // which the first page has not
if (login) startSignIn();

const toSignIn = find("#to-sign-in");
toSignIn.addEventListener("click", (event) => {
  if (!login?.checkVisibility()) return; // it leads to the page that has the form
  event.preventDefault();
  find("#username").focus();
});

find("#logout").addEventListener("click", async () => {
  const refusal = await attempt(find("#refusal"), client.logout);
  if (!refusal) (login?.checkVisibility() ? find("#sign-in-heading") : toSignIn).focus();
});

// The back button may bring back the page as it was before a sign-out: it shows nothing until the
// server has said who is signed in.
addEventListener("pagehide", ({ persisted }) => {
  document.body.classList.toggle("veiled", persisted);
});
addEventListener("pageshow", async ({ persisted }) => {
  if (!persisted) return;
  document.body.classList.add("veiled");
  await attempt(find("#refusal"), client.user);
  document.body.classList.remove("veiled");
});
