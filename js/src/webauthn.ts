// Passkeys as browsers have them, and as JSON has them.

/** Absent from older browsers, and from pages without HTTPS. */
export const passkeysOf = (): any => (globalThis as any).PublicKeyCredential;

/** Tell the browser what has become of passkeys, if it wants to know. */
export const tell = (name: string, news: unknown) => passkeysOf()?.[name]?.(news).catch(() => {});

export const decoded = (options: any) => {
  const name = `parse${options.rp ? "Creation" : "Request"}OptionsFromJSON`;
  // Safari has it from 18.4 on, Chrome from 129, Firefox from 119.
  if (passkeysOf()[name]) return passkeysOf()[name](options);
  // The texts that stand for bytes: the challenge, and each id but that of the site.
  return JSON.parse(JSON.stringify(options), function (key, value) {
    const isOurs = key === "id" && (this.type || this.displayName);
    return isOurs || key === "challenge" ? bytes(value) : value;
  });
};

/**
 * What the server reads of toJSON(), which older browsers lack, and which fails where an extension of
 * the browser has made the passkey.
 */
export const encoded = ({ id, type, response }: any): any => ({
  id,
  rawId: id, // in base64url
  type,
  response: {
    transports: response.getTransports?.(),
    clientDataJSON: text(response.clientDataJSON),
    attestationObject: text(response.attestationObject),
    authenticatorData: text(response.authenticatorData),
    signature: text(response.signature),
    userHandle: text(response.userHandle),
  },
});

const bytes = (text: string) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));

const text = (buffer?: ArrayBuffer | null) =>
  buffer
    ? btoa(String.fromCharCode(...new Uint8Array(buffer)))
        .replace(/\+/g, "-")
        .replace(/\//g, "_")
        .replace(/=/g, "")
    : undefined;
