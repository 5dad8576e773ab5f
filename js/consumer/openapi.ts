// The types of the endpoints, as openapi-typescript makes them, agree with those of the client.
import type { ErrorCodes, ListedSession, PasskeyOptions, Session, User } from "django-session-auth";
import type { Factor, FactorList, NewApp } from "django-session-auth/factors";
import type { components, operations, paths } from "django-session-auth/types";
import createClient from "openapi-fetch";

type Schemas = components["schemas"];
/** Either can stand for the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
/** What the client alone may say: no server sends it. */
type OfTheClient = "cookie_not_kept" | "network_error" | "passkey_exists" | "passkey_failed" | "unknown" | "out_of_stock";
type OfStages = "factor_setup_required" | "new_password_required";

export const agree: [
  Same<Session, Schemas["SessionDescription"]>,
  Same<ListedSession, Schemas["ListedSession"]>,
  Same<Factor, Schemas["FactorDescription"]>,
  Same<FactorList, Schemas["FactorsAnswer"]>,
  Same<NewApp, Schemas["NewApp"]>,
  Same<Exclude<keyof ErrorCodes, OfTheClient | OfStages>, Schemas["ErrorCode"]>,
] = [true, true, true, true, true, true];

export const user = (shown: Schemas["User"]): Omit<User, "email"> => shown;
export const options = (answer: Schemas["PasskeyOptions"]["publicKey"]) =>
  answer as Partial<PasskeyOptions>;

const client = createClient<paths>();

export async function logIn(username: string, password: string) {
  const { data, error } = await client.POST("/api/auth/login/", { body: { username, password } });
  // @ts-expect-error The password is missing.
  await client.POST("/api/auth/login/", { body: { username } });
  return data ? data.user.username : explain(error.code);
}

type Refusals = operations["login_post"]["responses"];
type Code = Refusals[401]["content"]["application/json"]["code"];

function explain(code: string): string {
  // @ts-expect-error A login is not refused by that with 401.
  const wrong: Code = "throttled";
  const right: Code = "invalid_credentials";
  return code === right ? "Wrong" : wrong;
}
