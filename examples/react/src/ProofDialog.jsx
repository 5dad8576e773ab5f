import { useSessionClient } from "django-session-auth/react";
import { useEffect, useRef, useState } from "react";

import { ProofForm } from "./ProofForm.jsx";

/** Opens when a call is refused for want of a recent login; the client then sends it once more. */
export function ProofDialog() {
  const client = useSessionClient();
  const dialog = useRef(null);
  const resolve = useRef(null);
  const [timesClosed, setTimesClosed] = useState(0);

  useEffect(() => {
    const stopAsking = client.onReauthenticationRequired(() => {
      dialog.current.returnValue = "";
      dialog.current.showModal();
      return new Promise((answer) => (resolve.current = answer));
    });
    return () => {
      stopAsking();
      resolve.current?.(false); // nobody can answer any more
    };
  }, [client]);

  function answer() {
    resolve.current(dialog.current.returnValue === "proven");
    setTimesClosed(timesClosed + 1); // a new form for the next time
  }

  return (
    <dialog ref={dialog} aria-labelledby="proof-heading" onClose={answer}>
      <h2 id="proof-heading">Is it you?</h2>
      <p>You signed in a while ago. Enter your password to go on.</p>
      <ProofForm
        key={timesClosed}
        action="Confirm"
        onProven={() => dialog.current.close("proven")}
      >
        <button className="quiet" type="button" onClick={() => dialog.current.close()}>
          Cancel
        </button>
      </ProofForm>
    </dialog>
  );
}
