import { useSession } from "django-session-auth/vue";
import { onScopeDispose, ref } from "vue";

const FAREWELLS = {
  idle: "You were signed out, since you did nothing for a while.",
  absolute: "You were signed out, since you signed in a long time ago.",
  ended: "Your session has ended, perhaps from another browser.",
};

/** Return why nobody is signed in any more, in whichever tab or browser it was done. */
export function useFarewell() {
  const { client } = useSession();
  const farewell = ref("Nobody is signed in.");

  onScopeDispose(client.on("logout", () => (farewell.value = "You have signed out.")));
  onScopeDispose(
    client.on("ended", ({ reason }) => (farewell.value = FAREWELLS[reason] ?? FAREWELLS.ended)),
  );
  return farewell;
}
