import { useAction, useSessionClient } from "django-session-auth/react";
import { useRef } from "react";

import { Refusal } from "./Refusal.jsx";
import { useLoad } from "./useLoad.js";

/** Where the user is signed in. To end a session, the server may ask for the password again. */
export function Sessions() {
  const client = useSessionClient();
  const heading = useRef(null);
  const { data: sessions, refusal, reload } = useLoad(client.sessions.list);
  const ending = useAction(async (end) => {
    await end();
    await reload();
    heading.current?.focus(); // the button that had it has gone
  });

  return (
    <section>
      <h2 ref={heading} tabIndex={-1}>
        Sessions
      </h2>
      <Refusal of={refusal} />
      <ul>
        {sessions?.map((session) => (
          <Session key={session.id} session={session}>
            {!session.current && (
              <button
                className="quiet"
                aria-label={`End the session on ${nameOf(session)}`}
                aria-disabled={ending.pending}
                onClick={() => ending.run(() => client.sessions.end(session.id))}
              >
                End
              </button>
            )}
          </Session>
        ))}
      </ul>
      {sessions?.length > 1 && (
        <button
          className="quiet"
          aria-disabled={ending.pending}
          onClick={() => ending.run(client.sessions.endOthers)}
        >
          End all others
        </button>
      )}
      <Refusal of={ending.error} />
    </section>
  );
}

function Session({ session, children }) {
  return (
    <li>
      <span>
        <strong>{nameOf(session)}</strong>
        {session.current && " (this browser)"}
        <span className="meta">
          {session.ip} · last seen {new Date(session.last_seen_at).toLocaleString()}
        </span>
      </span>
      {children}
    </li>
  );
}

const nameOf = ({ device }) => device || "Unknown browser";
