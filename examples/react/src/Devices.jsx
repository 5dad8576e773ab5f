import { useSessionClient } from "django-session-auth/react";
import { useRef } from "react";

import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";
import { useLoad } from "./useLoad.js";

/** Where the user is signed in. To end a session, the server may ask for the password again. */
export function Devices() {
  const client = useSessionClient();
  const heading = useRef(null);
  const { data: devices, refusal, reload } = useLoad(client.sessions.list);
  const ending = useAttempt();

  function end(what) {
    ending.attempt(async () => {
      await what();
      await reload();
      heading.current?.focus(); // the button that had it has gone
    });
  }

  return (
    <section>
      <h2 ref={heading} tabIndex={-1}>
        Devices
      </h2>
      <Refusal of={refusal} />
      <ul>
        {devices?.map((device) => (
          <Device key={device.id} device={device}>
            {!device.current && (
              <button
                className="quiet"
                aria-label={`End the session on ${nameOf(device)}`}
                aria-disabled={ending.isBusy}
                onClick={() => end(() => client.sessions.end(device.id))}
              >
                End
              </button>
            )}
          </Device>
        ))}
      </ul>
      {devices?.length > 1 && (
        <button
          className="quiet"
          aria-disabled={ending.isBusy}
          onClick={() => end(client.sessions.endOthers)}
        >
          End all others
        </button>
      )}
      <Refusal of={ending.refusal} />
    </section>
  );
}

function Device({ device, children }) {
  return (
    <li>
      <span>
        <strong>{nameOf(device)}</strong>
        {device.current && " (this device)"}
        <span className="meta">
          {device.ip} · last seen {new Date(device.last_seen_at).toLocaleString()}
        </span>
      </span>
      {children}
    </li>
  );
}

const nameOf = ({ device }) => device || "Unknown device";
