// The user's sessions: see them, end one or all others. Where the server wants a recent login for
// that, the client asks (see dialogs.js) and sends the call again.

import { client } from "./client.js";
import { clone, fill, find, timeText } from "./dom.js";
import { attempt } from "./forms.js";

const PHONE = "M7 2h10v20H7zM11 18.5h2";
const COMPUTER = "M4 5h16v11H4zM1.5 19.5h21";

function sessionElement(session) {
  const element = clone("#session");
  const isPhone = /mobile|phone|android|ipad|tablet/i.test(session.user_agent);
  find("path", element).setAttribute("d", isPhone ? PHONE : COMPUTER);
  const name = session.device || "Unknown browser";
  const seen = session.current ? "Active now" : `Last seen ${timeText(session.last_seen_at)}`;
  fill(element, {
    ".name": name,
    ".seen": `${seen} · ${session.ip}`,
    ".since": `Signed in ${timeText(session.created_at)}`,
    ".until": `Ends ${timeText(session.expires_at)} if unused`,
  });
  if (!session.current) find(".badge", element).remove();
  const button = find("button", element);
  button.setAttribute("aria-label", `End the session of ${name}`);
  button.addEventListener("click", () => change(() => client.sessions.end(session.id)));
  return element;
}

const pageAt = (cursor) => client.json(`/api/auth/sessions/?cursor=${cursor}`);

const parts = () => ["#sessions", "#end-others", "#more-sessions"].map((each) => find(each));

async function show([list, endOthers, more] = parts()) {
  const nobodys = { sessions: [], next: null };
  const { sessions, next } = client.getSnapshot().user ? await pageAt("") : nobodys;
  list.replaceChildren(...sessions.map(sessionElement));
  endOthers.hidden = sessions.length < 2;
  offerMore(list, more, next);
}

function offerMore(list, more, cursor) {
  more.hidden = cursor === null;
  more.onclick = () =>
    attempt(find("#sessions-error"), async () => {
      const { sessions, next } = await pageAt(cursor);
      list.append(...sessions.map(sessionElement));
      offerMore(list, more, next);
    });
}

async function change(end) {
  // Found now: another view may have replaced them when the answer comes.
  const found = parts();
  await attempt(find("#sessions-error"), async () => {
    await end();
    await show(found);
    found[0].focus(); // the button that had the focus may be gone
  });
}

export const loadSessions = () => attempt(find("#sessions-error"), () => show());

export function startSessions() {
  find("#end-others").addEventListener("click", () => change(client.sessions.endOthers));
}
