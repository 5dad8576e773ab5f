import { action, countdown, sessionStore, stepUp, userStore } from "django-session-auth/svelte";
import { derived, get, type Readable } from "svelte/store";

import { client } from "./app.js";
import { factors } from "./factors.js";

export const email: Readable<string | undefined> = derived(userStore(client), (user) => user?.email);
export const isKnown: boolean = get(sessionStore(client)).status !== "loading";
export const left: number | undefined = get(countdown(client))?.secondsLeft;
const signIn = action(client.login);
export const code: string | undefined = get(signIn).error?.code;
void signIn.run({ username: "alice", password: "..." });
// @ts-expect-error: no credentials
void signIn.run();
export const asking: boolean = get(stepUp(client)).asking;
const dialog = stepUp(client, factors.prove);
if (get(dialog).methods.includes("totp")) void dialog.prove({ method: "totp", code: "123456" });
// @ts-expect-error: no code
void dialog.prove({ method: "totp" });
