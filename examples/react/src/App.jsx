import { useSession } from "django-session-auth/react";

import { Articles } from "./Articles.jsx";
import { ExpiryWarning } from "./ExpiryWarning.jsx";
import { ProofDialog } from "./ProofDialog.jsx";
import { SignInMethods } from "./SignInMethods.jsx";
import { Sessions } from "./Sessions.jsx";
import { SignIn } from "./SignIn.jsx";
import { SignOut } from "./SignOut.jsx";
import { useFarewell } from "./useFarewell.js";
import { usePage } from "./usePage.js";

export function App() {
  const { status, user } = useSession();
  const farewell = useFarewell();
  const page = usePage();

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
        {user && (
          <nav>
            <a href="#articles" aria-current={page !== "methods" ? "page" : undefined}>
              Articles
            </a>
            <a href="#methods" aria-current={page === "methods" ? "page" : undefined}>
              Sign-in methods
            </a>
          </nav>
        )}
      </header>
      {status !== "loading" && (
        // The key: when another tab signs in somebody else, nothing of this user is left here.
        <main key={user?.id ?? "nobody"}>
          {user ? <ExpiryWarning /> : <SignIn />}
          {user && page === "methods" ? <SignInMethods /> : <Articles />}
          {user && page !== "methods" && <Sessions />}
          {user && <ProofDialog />}
        </main>
      )}
    </>
  );
}
