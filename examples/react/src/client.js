import { createSessionClient } from "django-session-auth";
import { createFactors } from "django-session-auth/factors";

export const client = createSessionClient();
export const factors = createFactors(client);

/** Whether there are passkeys here: browsers have none for an address such as 127.0.0.1. */
export const hasPasskeys =
  factors.passkeys.isSupported() && !/^[\d.]+$|:/.test(location.hostname);

/** Return the proof for a code that somebody has typed: apps show six digits. */
export function proofByCode(typed) {
  const code = typed.replaceAll(" ", "");
  return { method: /^\d{6}$/.test(code) ? "totp" : "recovery", code };
}

export const takesCode = (methods) => methods.includes("totp") || methods.includes("recovery");

/** What the codes are for, for people who find them in a drawer, years later. */
export const purposeOfCodes = () =>
  `Recovery codes of ${client.getSnapshot().user?.username} for ${location.host}`;

/** Save the codes as a file. */
export function saveCodes(codes) {
  const text = [purposeOfCodes(), ...codes, ""].join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Return the SVG element of the server, as an image and not as markup. */
export function imageOf(svg) {
  const { documentElement } = new DOMParser().parseFromString(svg, "image/svg+xml");
  return document.importNode(documentElement, true);
}
