import { useSessionClient } from "django-session-auth/react";
import { useEffect, useId, useRef, useState } from "react";

import { ProofForm } from "./ProofForm.jsx";

/** Opens when a call is refused for want of a recent login; the client then sends it once more. */
export function ProofDialog() {
  const client = useSessionClient();
  const [question, setQuestion] = useState(null);

  useEffect(() => {
    let answer;
    const stopAsking = client.onReauthenticationRequired(() => {
      const proof = new Promise((resolve) => (answer = resolve));
      setQuestion({ answer });
      return proof;
    });
    return () => {
      stopAsking();
      answer?.(false); // nobody can answer any more
    };
  }, [client]);

  function close(isProven) {
    question.answer(isProven);
    setQuestion(null);
  }

  return question && <Question onClose={close} />;
}

function Question({ onClose }) {
  const dialog = useRef(null);
  const heading = useId();

  useEffect(() => dialog.current.showModal(), []);

  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onClose={() => onClose(dialog.current.returnValue === "proven")}
    >
      <h2 id={heading}>Is it you?</h2>
      <p>You signed in a while ago. Enter your password to go on.</p>
      {/* After Cancel a proof may still succeed: then there is no dialog to close. */}
      <ProofForm action="Confirm" onProven={() => dialog.current?.close("proven")}>
        <button className="quiet" type="button" onClick={() => dialog.current.close()}>
          Cancel
        </button>
      </ProofForm>
    </dialog>
  );
}
