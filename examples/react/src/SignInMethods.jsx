import { useAction } from "django-session-auth/react";
import { useRef, useState } from "react";

import { factors, hasPasskeys, imageOf, purposeOfCodes, saveCodes } from "./client.js";
import { Field } from "./Field.jsx";
import { Refusal } from "./Refusal.jsx";
import { useLoad } from "./useLoad.js";

const load = (signal) => factors.list({ signal });

/** What the user can sign in with, beside the password. Where a change needs a proof, it is asked for. */
export function SignInMethods() {
  const { data, refusal, reload } = useLoad(load);

  return (
    <>
      <Refusal of={refusal} />
      {data && (
        <>
          <Passkeys {...data} reload={reload} />
          {data.available.includes("totp") && <AuthenticatorApp app={data.totp} reload={reload} />}
          <RecoveryCodes left={data.recovery_codes_left} reload={reload} />
        </>
      )}
    </>
  );
}

/** Return an action that changes something, shows what there is then, and puts the focus there. */
function useChange(reload) {
  const heading = useRef(null);
  const change = useAction(async (act) => {
    await act();
    await reload();
    heading.current?.focus(); // the button that had it may have gone
  });
  return { heading, ...change };
}

function Passkeys({ available, passkeys, reload }) {
  const { heading, run, pending, error } = useChange(reload);
  const [renamed, setRenamed] = useState(null);

  function submit(event, act) {
    event.preventDefault();
    const { name } = event.currentTarget.elements;
    run(async () => {
      await act(name.value);
      name.value = "";
      setRenamed(null);
    });
  }

  return (
    <section>
      <h2 ref={heading} tabIndex={-1}>
        Passkeys
      </h2>
      <p>Your finger, your face or a PIN opens a passkey. Nobody can guess it, or trick you out of it.</p>
      <ul>
        {passkeys.map(({ id, name, created_at: created, last_used_at: used }) => (
          <li key={id}>
            {renamed === id ? (
              <form
                className="line"
                onSubmit={(event) => submit(event, (to) => factors.passkeys.rename(id, to))}
              >
                <Field
                  label={`New name of ${name}`}
                  name="name"
                  maxLength={64}
                  defaultValue={name}
                  autoFocus
                  required
                  refusal={error}
                />
                <button aria-disabled={pending}>Save</button>
              </form>
            ) : (
              <>
                <span>
                  <strong>{name}</strong>
                  <span className="meta">
                    Added {timeOf(created)} · {used ? `last used ${timeOf(used)}` : "not used yet"}
                  </span>
                </span>
                <div className="row">
                  <button className="quiet" aria-label={`Rename ${name}`} onClick={() => setRenamed(id)}>
                    Rename
                  </button>
                  <button
                    className="quiet"
                    aria-label={`Remove ${name}`}
                    aria-disabled={pending}
                    onClick={() => run(() => factors.passkeys.remove(id))}
                  >
                    Remove
                  </button>
                </div>
              </>
            )}
          </li>
        ))}
      </ul>
      {available.includes("passkey") && hasPasskeys ? (
        <form onSubmit={(event) => submit(event, (name) => factors.passkeys.add({ name }))}>
          <Field
            label="Name of a new passkey"
            name="name"
            maxLength={64}
            placeholder="Laptop"
            refusal={renamed ? null : error}
          />
          <button aria-disabled={pending}>Add a passkey</button>
        </form>
      ) : (
        <p className="meta">There are no passkeys in this browser, at this address.</p>
      )}
      <Refusal of={error} />
    </section>
  );
}

function AuthenticatorApp({ app, reload }) {
  const { heading, run, pending, error } = useChange(reload);
  const [offered, setOffered] = useState(null);
  const beginning = useAction(async () => setOffered(await factors.totp.begin()));

  function confirm(event) {
    event.preventDefault();
    const code = event.currentTarget.elements.code.value.replaceAll(" ", "");
    run(async () => {
      await factors.totp.confirm(code);
      setOffered(null);
    });
  }

  return (
    <section>
      <h2 ref={heading} tabIndex={-1}>
        Authenticator app
      </h2>
      <p>
        {app && `Set up ${timeOf(app.created_at)}. `}
        It shows six digits, which are then asked for after your password.
      </p>
      <div className="row">
        <button className="quiet" aria-disabled={beginning.pending} onClick={() => beginning.run()}>
          {app ? "Set up another app" : "Set up an app"}
        </button>
        {app && (
          <button
            className="quiet"
            aria-disabled={pending}
            onClick={() => run(() => factors.totp.remove())}
          >
            Remove the app
          </button>
        )}
      </div>
      {offered && (
        <form onSubmit={confirm}>
          <div
            className="qr"
            role="img"
            aria-label="QR code for an authenticator app"
            ref={(place) => place?.replaceChildren(imageOf(offered.qr_code))}
          />
          <p>
            Scan this with your app, or type the key: <code>{offered.secret}</code>
          </p>
          <Field
            label="The six digits that the app shows now"
            name="code"
            inputMode="numeric"
            autoComplete="one-time-code"
            autoFocus
            required
            refusal={error}
          />
          <button aria-disabled={pending}>Confirm the app</button>
        </form>
      )}
      <Refusal of={error ?? beginning.error} />
    </section>
  );
}

function RecoveryCodes({ left, reload }) {
  const { heading, run, pending, error } = useChange(reload);
  const [codes, setCodes] = useState(null);

  return (
    <section>
      <h2 ref={heading} tabIndex={-1}>
        Recovery codes
      </h2>
      <p>{left ? `You have ${left} left.` : "You have none."} Each stands in once for a lost phone.</p>
      {codes && (
        <div className="codes">
          <p>Save or print these now: they are not shown again.</p>
          <p>{purposeOfCodes()}</p>
          <ol>
            {codes.map((code) => (
              <li key={code}>
                <code>{code}</code>
              </li>
            ))}
          </ol>
          <div className="row">
            <button onClick={() => saveCodes(codes)}>Save as a file</button>
            <button className="quiet" onClick={() => print()}>
              Print
            </button>
          </div>
        </div>
      )}
      <div className="row">
        <button
          className="quiet"
          aria-disabled={pending}
          onClick={() => run(async () => setCodes(await factors.recoveryCodes.renew()))}
        >
          Make new codes
        </button>
        {left > 0 && (
          <button
            className="quiet"
            aria-disabled={pending}
            onClick={() =>
              run(async () => {
                await factors.recoveryCodes.remove();
                setCodes(null);
              })
            }
          >
            Remove the codes
          </button>
        )}
      </div>
      <Refusal of={error} />
    </section>
  );
}

const timeOf = (moment) =>
  new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
