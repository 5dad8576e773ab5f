import { useStepUp } from "django-session-auth/react";
import { useId } from "react";

import { ProofForm } from "./ProofForm.jsx";

const open = (dialog) => dialog?.showModal();

/** Opens when a call is refused for want of a recent login; the client then sends it once more. */
export function ProofDialog() {
  const { asking, cancel, ...proof } = useStepUp();
  const heading = useId();
  if (!asking) return null;

  return (
    <dialog ref={open} aria-labelledby={heading} onClose={cancel}>
      <h2 id={heading}>Is it you?</h2>
      <p>You signed in a while ago. Enter your password to go on.</p>
      <ProofForm action="Confirm" {...proof}>
        <button className="quiet" type="button" onClick={(event) => event.target.closest("dialog").close()}>
          Cancel
        </button>
      </ProofForm>
    </dialog>
  );
}
