// What an app in strict TypeScript writes for second factors; a line below @ts-expect-error must not
// compile.
import { createSessionClient } from "django-session-auth";
import { createFactors, type Factor } from "django-session-auth/factors";

declare module "django-session-auth" {
  interface Stages {
    terms_required: { version: string };
  }
}

declare module "django-session-auth/factors" {
  interface Proofs {
    pin: { code: string };
  }
}

export const factors = createFactors(createSessionClient());

export async function signIn(username: string, password: string): Promise<string> {
  const { user, stage } = await factors.login({ username, password });
  if (user) return user.username;
  // @ts-expect-error: there is nobody before the last stage
  user.username;
  if (stage.methods.includes("recovery")) await factors.pass({ method: "recovery", code: "k2vt" });
  switch (stage.code) {
    case "second_factor_required":
      // @ts-expect-error: what another stage has
      stage.totp;
      return stage.methods.includes("totp") ? stage.error : stage.expires_at;
    case "factor_setup_required": {
      const { publicKey, totp } = stage;
      if (publicKey) await factors.pass({ method: "passkey_setup", publicKey });
      return totp?.qr_code ?? "";
    }
    case "new_password_required":
      await factors.pass({ method: "new_password", new_password: "..." });
      return stage.error;
    case "terms_required":
      await factors.pass({ method: "terms", accept: true });
      return stage.version;
  }
}

export async function prove(): Promise<Factor[]> {
  await factors.prove({ password: "..." });
  await factors.prove({ method: "totp", code: "123456" });
  await factors.prove({ method: "passkey" });
  // @ts-expect-error: no code
  await factors.prove({ method: "totp" });
  await factors.prove({ method: "pin", code: "2468" });
  // @ts-expect-error: no code
  await factors.prove({ method: "pin" });
  // @ts-expect-error: a method that nobody knows
  await factors.prove({ method: "face" });
  const { passkeys } = await factors.list();
  return passkeys;
}
