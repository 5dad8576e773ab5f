import { useSession } from "django-session-auth/react";

import { Articles } from "./Articles.jsx";
import { ExpiryWarning } from "./ExpiryWarning.jsx";
import { ProofDialog } from "./ProofDialog.jsx";
import { Sessions } from "./Sessions.jsx";
import { SignIn } from "./SignIn.jsx";
import { SignOut } from "./SignOut.jsx";
import { useFarewell } from "./useFarewell.js";

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
          {user ? <ExpiryWarning /> : <SignIn />}
          <Articles />
          {user && <Sessions />}
          {user && <ProofDialog />}
        </main>
      )}
    </>
  );
}
