/**
 * Passkeys, authenticator apps and recovery codes of django-session-auth: logins in stages, proofs,
 * and the page on which users set up what they have. Load it where that is used.
 *
 * @module factors
 */
import type {
  Abortable,
  Credentials,
  PasskeyOptions,
  SessionClient,
  Stage,
  User,
} from "./session-auth.js";
import { decoded, encoded, passkeysOf, tell } from "./webauthn.js";

/** Who is logged in now, or what the login still lacks: the other one is null. */
export type Progress<U = User> = { user: U; stage: null } | { user: null; stage: Stage };

/** One of the user's passkeys, or their authenticator app. */
export interface Factor {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
}

/** What the user can prove who they are with, beside the password. */
export interface FactorList {
  passkeys: Factor[];
  totp: Factor | null;
  recovery_codes_left: number;
  /** What the server has: "passkey", "totp", "recovery". */
  available: string[];
}

/** What an authenticator app needs; the QR code is an SVG element. */
export interface NewApp {
  secret: string;
  uri: string;
  qr_code: string;
}

/**
 * The methods of stages of yours that prove something, with the fields of their forms. Add them by
 * augmentation: `declare module "django-session-auth/factors" { interface Proofs { pin: { code: string } } }`.
 */
export interface Proofs {}

/** A proof that is no password. For a passkey, the browser asks the user. */
export type FactorProof =
  | { method: "totp"; code: string; trust?: boolean | undefined }
  | { method: "recovery"; code: string }
  | { method: "passkey"; trust?: boolean | undefined }
  /** A key that was taken over: its options come from `passkeys/options/`, for that method. */
  | { method: "security_key"; publicKey: PasskeyOptions; trust?: boolean | undefined }
  | { [Method in keyof Proofs]: { method: Method } & Proofs[Method] }[keyof Proofs];

/** The first factor of users who must have one, as the stage `factor_setup_required` offers it. */
export type FactorSetup =
  | { method: "totp_setup"; code: string }
  | { method: "passkey_setup"; publicKey: PasskeyOptions; name?: string | undefined };

/** What passes a stage: of ours, or of the project's. */
export type StageProof<Method extends string = string> = { method: Method } & (Method extends Known["method"]
  ? Extract<Known, { method: Method }>
  : { [field: string]: any });

type Known = FactorProof | FactorSetup | { method: "new_password"; new_password: string };

export interface PasskeyLogin extends Abortable {
  /** Whether the session outlives the browser. */
  remember?: boolean | undefined;
}

export interface Factors<U = User> {
  /** As `login()` of the client, but a stage that is due is no error. */
  login(credentials: Credentials, options?: Abortable): Promise<Progress<U>>;
  /** Pass the stage that is due; for a passkey, ask the browser for it. */
  pass<Method extends string>(proof: StageProof<Method>, options?: Abortable): Promise<Progress<U>>;
  /** Prove again who one is, for calls that need a recent login. */
  prove(proof: FactorProof | Credentials, options?: Abortable): Promise<U>;
  list(options?: Abortable): Promise<FactorList>;
  passkeys: {
    /** Whether this browser knows passkeys, in this page. */
    isSupported(): boolean;
    /** Log in by a passkey alone; the browser asks which one. */
    login(options?: PasskeyLogin): Promise<Progress<U>>;
    /**
     * Offer the passkeys in the field `<input autocomplete="username webauthn">`, until the user
     * takes one. Resolves to null where the browser cannot, or once something else has used a passkey.
     */
    autofill(options?: PasskeyLogin): Promise<Progress<U> | null>;
    /** Make a passkey; without a name, the server gives it that of the browser. */
    add(passkey?: { name?: string | undefined }, options?: Abortable): Promise<void>;
    rename(id: string, name: string, options?: Abortable): Promise<void>;
    /** Remove it, here and, where the browser can, in the user's passwords. */
    remove(id: string, options?: Abortable): Promise<void>;
  };
  totp: {
    /** Get a secret for the user's app, in the place of the present one once that is confirmed. */
    begin(options?: Abortable): Promise<NewApp>;
    confirm(code: string, options?: Abortable): Promise<void>;
    remove(options?: Abortable): Promise<void>;
  };
  recoveryCodes: {
    /** Make new ones, which are shown this once; the old ones are void. */
    renew(options?: Abortable): Promise<string[]>;
    remove(options?: Abortable): Promise<void>;
  };
}

/** The options are good for five minutes: the browser gets others before that. */
const RENEW_AFTER = 4 * 60_000;
const REPLACED = new DOMException("No passkey was used.", "AbortError");
const EXPIRED = {};

/** Make what `client` lacks for second factors and passkeys. */
export const createFactors = <U = User>(client: SessionClient<U>): Factors<U> => {
  // Browsers ask one question at a time.
  let pending: AbortController | undefined;

  /** Have the browser make a passkey, or ask the user for one; resolves to what the server takes. */
  const ask = async (
    publicKey: any,
    { signal }: Abortable,
    mediation?: "conditional",
  ) => {
    signal?.throwIfAborted();
    // The user has clicked the button meanwhile.
    if (mediation && pending?.signal.aborted === false) throw REPLACED;
    pending?.abort(REPLACED);
    const own = (pending = new AbortController());
    signal?.addEventListener("abort", () => own.abort(signal.reason), own);
    const timer = mediation && setTimeout(() => own.abort(EXPIRED), RENEW_AFTER);
    try {
      return encoded(
        await navigator.credentials[publicKey.rp ? "create" : "get"]({
          signal: own.signal,
          mediation,
          publicKey: decoded(publicKey),
        } as any),
      );
    } catch (cause: any) {
      if (own.signal.aborted) throw own.signal.reason;
      const isKnown = cause.name === "InvalidStateError";
      throw new client.SessionAuthError(
        isKnown ? "You have a passkey here already." : "No passkey was used.",
        { code: isKnown ? "passkey_exists" : "passkey_failed", cause },
      );
    } finally {
      clearTimeout(timer);
      own.abort(); // done: it listens no more
    }
  };

  const call = <T>(method: string, name: string, options?: Abortable, body?: unknown) =>
    client.json<T>(client.url(name), { ...options, method, body });

  const optionsFor = async (name: string, options: Abortable, purpose?: string) =>
    (await call<any>("POST", `${name}passkeys/options/`, options, { purpose })).publicKey;

  const complete = async ({ publicKey, ...proof }: any, options: Abortable = {}, purpose = "proof") => {
    if (proof.method === "passkey") publicKey = await optionsFor("", options, purpose);
    if (publicKey) proof.credential = await ask(publicKey, options);
    return proof;
  };

  const progress = async (login: Promise<U>): Promise<Progress<U>> => {
    try {
      return { user: await login, stage: null };
    } catch (refusal: any) {
      if (!refusal?.data?.expires_at) throw refusal;
      return { user: null, stage: refusal.data };
    }
  };

  const logIn = async ({ remember, ...options }: PasskeyLogin = {}, mediation?: "conditional") => {
    const publicKey = await optionsFor("", options);
    const credential = await ask(publicKey, options, mediation);
    try {
      return await progress(client.login({ credential, remember }, options, "login/passkey/"));
    } catch (refusal: any) {
      if (refusal?.code === "unknown_passkey") {
        tell("signalUnknownCredential", { rpId: publicKey.rpId, credentialId: credential.id });
      }
      throw refusal;
    }
  };

  const passkey = (id: string) => `factors/passkeys/${encodeURIComponent(id)}/`;

  return {
    login: (credentials, options) => progress(client.login(credentials, options)),
    pass: async (proof, options) =>
      progress(client.login(await complete(proof, options, "stage"), options, "login/second-factor/")),
    prove: async (proof, options) => client.reauthenticate(await complete(proof, options), options),
    list: (options) => call("GET", "factors/", options),
    passkeys: {
      isSupported: () => !!passkeysOf(),
      login: logIn,
      async autofill(options) {
        if (!(await passkeysOf()?.isConditionalMediationAvailable?.())) return null;
        for (;;) {
          try {
            return await logIn(options, "conditional");
          } catch (reason) {
            if (reason === REPLACED) return null;
            if (reason !== EXPIRED) throw reason;
          }
        }
      },
      async add(passkey, options = {}) {
        const credential = await ask(await optionsFor("factors/", options), options);
        await client.reauthenticate({ credential, ...passkey }, options, "factors/passkeys/");
      },
      rename: async (id, name, options) => void (await call("PATCH", passkey(id), options, { name })),
      async remove(id, options) {
        const { signals } = await call<any>("DELETE", passkey(id), options);
        tell("signalAllAcceptedCredentials", signals);
      },
    },
    totp: {
      begin: (options) => call("POST", "factors/totp/", options),
      async confirm(code, options) {
        await client.reauthenticate({ code }, options, "factors/totp/confirm/");
      },
      remove: (options) => call("DELETE", "factors/totp/", options),
    },
    recoveryCodes: {
      renew: async (options) =>
        (await call<any>("POST", "factors/recovery-codes/", options)).recovery_codes,
      remove: (options) => call("DELETE", "factors/recovery-codes/", options),
    },
  };
};
