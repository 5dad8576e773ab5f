import {
  SessionProvider,
  useAction,
  useCountdown,
  useEvents,
  useRequireUser,
  useSession,
  useSessionClient,
  useSocket,
  useStepUp,
  useUser,
} from "django-session-auth/react";
import { createElement } from "react";

import { client } from "./app.js";
import { factors } from "./factors.js";
import { live } from "./live.js";

export function Page() {
  const { status, error } = useSession();
  const user = useRequireUser(() => location.assign("/sign-in/"));
  const { run, pending, fields } = useAction(useSessionClient().login);
  const { asking, prove, cancel } = useStepUp();
  const dialog = useStepUp(factors.prove);
  void dialog.prove({ password: "..." }, { method: "totp", code: "123456" });
  if (dialog.methods.includes("passkey")) void dialog.prove({ method: "passkey" });
  // @ts-expect-error: no code
  void dialog.prove({ method: "totp" });
  // @ts-expect-error: a passkey needs the module for factors
  void prove({ method: "passkey" });
  const left: number | undefined = useCountdown()?.secondsLeft;
  const email: string | undefined = useUser()?.email;
  const uuid: string | undefined = useUser<{ uuid: string }>()?.uuid;
  const { isOpen, send } = useSocket(live, client.getSnapshot().user && "/ws/chat/", {
    message: ({ data }) => console.log(data),
  });
  const isSent: boolean = send("hello") && isOpen && useEvents(live, "/api/stream/", { price: () => {} });
  // @ts-expect-error: no such event of a socket
  useSocket(live, "/ws/chat/", { price: () => {} });
  const submit = () => run({ username: "alice", password: "..." });
  // @ts-expect-error: no credentials
  const wrong = () => run();
  const given = [status, error?.code, user?.username, pending, fields["password"], asking, left, email, uuid, isSent];
  return createElement("p", { onClick: submit, onBlur: cancel, onFocus: wrong }, String(given), String(prove));
}

export const app = createElement(SessionProvider, { client }, createElement(Page));
