import { useAction } from "django-session-auth/react";
import { useState } from "react";

import { factors, hasPasskeys, proofByCode, takesCode } from "./client.js";
import { CodeField } from "./CodeField.jsx";
import { Refusal } from "./Refusal.jsx";

/** What a login still lacks after the password: a code, or a passkey. */
export function SecondStep({ stage, onProgress }) {
  const { methods } = stage;
  const [isTrusted, setTrusted] = useState(false);
  const { run, pending, error } = useAction(async (proof) =>
    onProgress((await factors.pass(proof)).stage),
  );

  function passByCode(event) {
    event.preventDefault();
    const proof = proofByCode(event.currentTarget.elements.code.value);
    // Whoever has lost the phone is not to trust a browser by a recovery code.
    run(proof.method === "totp" ? { ...proof, trust: isTrusted } : proof);
  }

  return (
    <section>
      <h2>One more step</h2>
      <p>{stage.error}</p>
      <form onSubmit={passByCode}>
        {takesCode(methods) && <CodeField autoFocus refusal={error} />}
        <label className="check">
          <input
            type="checkbox"
            checked={isTrusted}
            onChange={(event) => setTrusted(event.target.checked)}
          />{" "}
          Do not ask again in this browser for 30 days
        </label>
        <div className="row">
          {takesCode(methods) && <button aria-disabled={pending}>Continue</button>}
          {methods.includes("passkey") && hasPasskeys && (
            <button
              type="button"
              autoFocus={!takesCode(methods)}
              aria-disabled={pending}
              onClick={() => run({ method: "passkey", trust: isTrusted })}
            >
              Use a passkey
            </button>
          )}
          <button className="quiet" type="button" onClick={() => onProgress(null)}>
            Start over
          </button>
        </div>
        <Refusal of={error} />
      </form>
    </section>
  );
}
