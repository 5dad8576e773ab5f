import { useSessionClient } from "django-session-auth/react";
import { useEffect, useState } from "react";

const FAREWELLS = {
  idle: "You were signed out, since you did nothing for a while.",
  absolute: "You were signed out, since you signed in a long time ago.",
  ended: "Your session has ended, perhaps from another browser.",
};

/** Return why nobody is signed in any more, in whichever tab or browser it was done. */
export function useFarewell() {
  const client = useSessionClient();
  const [farewell, setFarewell] = useState("Nobody is signed in.");

  useEffect(() => {
    const stopLogout = client.on("logout", () => setFarewell("You have signed out."));
    const stopEnded = client.on("ended", ({ reason }) =>
      setFarewell(FAREWELLS[reason] ?? FAREWELLS.ended),
    );
    return () => {
      stopLogout();
      stopEnded();
    };
  }, [client]);

  return farewell;
}
