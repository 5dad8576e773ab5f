import { useStepUp } from "django-session-auth/react";
import { useId } from "react";

import { factors, hasPasskeys, takesCode } from "./client.js";
import { ProofForm } from "./ProofForm.jsx";

const open = (dialog) => dialog?.showModal();

/** Opens when a call is refused for want of a recent login; the client then sends it once more. */
export function ProofDialog() {
  const { asking, cancel, methods, prove, ...state } = useStepUp(factors.prove);
  const heading = useId();
  if (!asking) return null;

  return (
    <dialog ref={open} aria-labelledby={heading} onClose={cancel}>
      <h2 id={heading}>Is it you?</h2>
      <p>You signed in a while ago. Prove that it is you, to go on.</p>
      {methods.includes("passkey") && hasPasskeys && (
        // It is two factors: nothing else is asked for.
        <button
          className="passkey"
          type="button"
          aria-disabled={state.pending}
          onClick={() => prove({ method: "passkey" })}
        >
          Use a passkey
        </button>
      )}
      <ProofForm action="Confirm" prove={prove} takesCode={takesCode(methods)} {...state}>
        <button className="quiet" type="button" onClick={(event) => event.target.closest("dialog").close()}>
          Cancel
        </button>
      </ProofForm>
    </dialog>
  );
}
