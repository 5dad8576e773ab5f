import { useSession, useSessionClient } from "django-session-auth/react";
import { useEffect, useState } from "react";

import { Articles } from "./Articles.jsx";
import { Devices } from "./Devices.jsx";
import { ExpiryWarning } from "./ExpiryWarning.jsx";
import { ProofDialog } from "./ProofDialog.jsx";
import { Refusal } from "./Refusal.jsx";
import { SignIn } from "./SignIn.jsx";
import { useAttempt } from "./useAttempt.js";

export function App() {
  const { status, user } = useSession();
  const farewell = useFarewell();

  return (
    <>
      <header>
        <h1>Articles, in React</h1>
        <p role="status">
          {status === "loading" && "Asking who is signed in …"}
          {status === "anonymous" && farewell}
          {status === "authenticated" && (
            <>
              Signed in as <strong>{user.username}</strong>
            </>
          )}
        </p>
        {user && <SignOut />}
      </header>
      {status !== "loading" && (
        // The key: when another tab signs in somebody else, nothing of this user is left here.
        <main key={user?.id ?? "nobody"}>
          {user && <ExpiryWarning />}
          {!user && <SignIn />}
          <Articles />
          {user && <Devices />}
          {user && <ProofDialog />}
        </main>
      )}
    </>
  );
}

function SignOut() {
  const client = useSessionClient();
  const { attempt, isBusy, refusal } = useAttempt();

  return (
    <>
      <button className="quiet" disabled={isBusy} onClick={() => attempt(client.logout)}>
        Sign out
      </button>
      <Refusal of={refusal} />
    </>
  );
}

const FAREWELLS = {
  idle: "You were signed out, since you did nothing for a while.",
  absolute: "You were signed out, since you signed in a long time ago.",
  ended: "Your session has ended, perhaps from another device.",
};

/** Return why nobody is signed in any more, in whichever tab or device it was done. */
function useFarewell() {
  const client = useSessionClient();
  const [farewell, setFarewell] = useState("Nobody is signed in.");

  useEffect(() => {
    const stopLogout = client.on("logout", () => setFarewell("You have signed out."));
    const stopEnded = client.on("ended", ({ reason }) => setFarewell(FAREWELLS[reason]));
    return () => {
      stopLogout();
      stopEnded();
    };
  }, [client]);

  return farewell;
}
