import { useSessionClient } from "django-session-auth/react";
import { useEffect, useState } from "react";

import { Refusal } from "./Refusal.jsx";
import { useAttempt } from "./useAttempt.js";

/** Where the user is signed in. To end a session, the server may ask for the password again. */
export function Devices() {
  const client = useSessionClient();
  const [devices, setDevices] = useState([]);
  const { attempt, isBusy, refusal } = useAttempt();

  const load = async () => setDevices(await client.sessions.list());
  useEffect(() => {
    attempt(load);
  }, [client]);

  function end(device) {
    attempt(async () => {
      await client.sessions.end(device.id);
      await load();
    });
  }

  function endOthers() {
    attempt(async () => {
      await client.sessions.endOthers();
      await load();
    });
  }

  return (
    <section>
      <h2>Devices</h2>
      <ul>
        {devices.map((device) => (
          <li key={device.id}>
            <span>
              <strong>{device.device || "Unknown device"}</strong>
              {device.current && " (this device)"}
              <span className="meta">
                {device.ip} · last seen {new Date(device.last_seen_at).toLocaleString()}
              </span>
            </span>
            {!device.current && (
              <button
                className="quiet"
                aria-label={`End the session on ${device.device || "an unknown device"}`}
                disabled={isBusy}
                onClick={() => end(device)}
              >
                End
              </button>
            )}
          </li>
        ))}
      </ul>
      {devices.length > 1 && (
        <button className="quiet" disabled={isBusy} onClick={endOthers}>
          End all others
        </button>
      )}
      <Refusal of={refusal} />
    </section>
  );
}
