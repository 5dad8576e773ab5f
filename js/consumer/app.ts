// What an app in strict TypeScript writes; a line below @ts-expect-error must not compile.
import { createSessionClient, SessionAuthError, type Snapshot } from "django-session-auth";
import { messagesFor } from "django-session-auth/messages";
import { createTestClient } from "django-session-auth/testing";

declare module "django-session-auth" {
  interface User {
    email: string;
  }
  interface ErrorCodes {
    out_of_stock: true;
  }
}

export const client = createSessionClient({ baseUrl: "/api/auth/" });

export function greeting(snapshot: Snapshot): string {
  switch (snapshot.status) {
    case "loading":
      return snapshot.error?.message ?? "...";
    case "anonymous":
      return "Nobody";
    case "authenticated":
      return `${snapshot.user.username} <${snapshot.user.email}> ${snapshot.expiring?.endsAt ?? ""}`;
  }
}

export async function calls(remember: boolean | undefined, signal: AbortSignal | undefined) {
  await client.login({ username: "alice", password: "...", remember });
  await client.login({ email: "alice@example.org", password: "...", otp: "123456" }, { signal });
  const { id } = await client.json<{ id: number }>("/api/articles/1/", { signal, keepalive: true });
  await client.json("/api/", { method: "POST", body: { id }, headers: new Headers() });
  client.on("user", ({ user }) => user?.email.trim());
  client.on("ended", ({ reason }) => reason === "idle");
  const headers: Record<string, string> = await client.csrfHeaders();
  return headers;
}

export function explain(error: unknown): string {
  if (!(error instanceof SessionAuthError)) return "A bug";
  if (error.code === "throttled") return `Wait ${error.retryAfter ?? 1} seconds`;
  if (error.code === "out_of_stock") return "Gone";
  // @ts-expect-error: a typo in a code
  if (error.code === "reauthentification_required") return "";
  return error.fields?.["title"]?.join(" ") ?? error.message;
}

export async function mistakes() {
  // @ts-expect-error: no password
  await client.login({ username: "alice" });
  // @ts-expect-error: nobody has said what it is
  (await client.json("/api/")).articles;
  // @ts-expect-error: a typo in a field
  client.getSnapshot().user?.usrname;
  // @ts-expect-error: there may be nobody
  client.getSnapshot().user.username;
  // @ts-expect-error: no such event
  client.on("logn", () => {});
}

interface Member {
  uuid: string;
}

export const members = createSessionClient<Member>();
export const uuid: string | undefined = members.getSnapshot().user?.uuid;
// @ts-expect-error: not a field of that type
export const nothing = members.getSnapshot().user?.email;
SessionAuthError.messages = { ...messagesFor("de"), out_of_stock: "Ausverkauft." };
// @ts-expect-error: no such code
SessionAuthError.messages = { out_of_stok: "Ausverkauft." };
export const double = createTestClient<Member>({ user: { uuid: "a" } });
double.show({ user: null, reason: "idle" });
