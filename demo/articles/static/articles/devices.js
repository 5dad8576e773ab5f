// The user's sessions: see them, end one or all others. Where the server wants a recent login for
// that, the client asks (see dialogs.js) and sends the call again.

import { client } from "./client.js";
import { clone, fill, find, timeText } from "./dom.js";
import { attempt } from "./forms.js";

const PHONE = "M7 2h10v20H7zM11 18.5h2";
const COMPUTER = "M4 5h16v11H4zM1.5 19.5h21";

function deviceElement(device) {
  const element = clone("#device");
  const isPhone = /mobile|phone|android|ipad|tablet/i.test(device.user_agent);
  find("path", element).setAttribute("d", isPhone ? PHONE : COMPUTER);
  const name = device.device || "Unknown";
  const seen = device.current ? "Active now" : `Last seen ${timeText(device.last_seen_at)}`;
  const [since, end] = [device.created_at, device.expires_at].map(timeText);
  fill(element, {
    ".name": name,
    ".seen": `${seen} · ${device.ip}`,
    ".times": `Since ${since} · ends ${end} if it is not used`,
  });
  if (!device.current) find(".badge", element).remove();
  const button = find("button", element);
  button.setAttribute("aria-label", `End the session of ${name}`);
  button.addEventListener("click", () => change(() => client.sessions.end(device.id)));
  return element;
}

async function show(list = find("#devices"), endOthers = find("#end-others")) {
  const devices = client.getSnapshot().user ? await client.sessions.list() : [];
  list.replaceChildren(...devices.map(deviceElement));
  endOthers.hidden = devices.length < 2;
}

async function change(end) {
  // Found now: another view may have replaced them when the answer comes.
  const [list, endOthers] = [find("#devices"), find("#end-others")];
  await attempt(find("#devices-error"), async () => {
    await end();
    await show(list, endOthers);
    list.focus(); // the button that had the focus may be gone
  });
}

export const loadDevices = () => attempt(find("#devices-error"), () => show());

export function startDevices() {
  find("#end-others").addEventListener("click", () => change(client.sessions.endOthers));
}
