// The page for the second stage of a login through the admin, where a passkey is due: the browser asks
// the user for it, and fills in the form that the server has made.
import { decoded, encoded } from "./webauthn.js";

// Not document.querySelector, which <img name="querySelector"> would be.
const find = <T extends Element>(selector: string): T =>
  Document.prototype.querySelector.call(document, selector) as T;

const form = find<HTMLFormElement>("#login-form");
const field = form.elements.namedItem("credential") as HTMLTextAreaElement;
const template = find<HTMLTemplateElement>("#passkey-refused");
const refusal = template.content.firstElementChild!;

/** What a login that lacks its first factor brings along, or what the server wants to have signed. */
const optionsOf = async () => {
  const { publicKey } = JSON.parse(find("#stage-details").textContent);
  if (publicKey) return publicKey;
  const token = form.elements.namedItem("csrfmiddlewaretoken") as HTMLInputElement;
  // The page is at login/second-factor/page/ below the endpoints.
  const response = await fetch(new URL("../../../passkeys/options/", location.href), {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token.value },
    body: JSON.stringify({ purpose: "stage", method: form.dataset.method }),
  });
  return (await response.json()).publicKey;
};

const ask = async () => {
  Document.prototype.querySelectorAll.call(document, ".errornote").forEach((note) => note.remove());
  try {
    const publicKey = await optionsOf();
    const options: any = { publicKey: decoded(publicKey) };
    const credential = await navigator.credentials[publicKey.rp ? "create" : "get"](options);
    field.value = JSON.stringify(encoded(credential));
    form.submit();
  } catch {
    // Given up, none that fits, or a browser without: the page names the other ways.
    template.before(refusal);
  }
};

field.value = ""; // of an answer that was refused
field.required = false;
field.closest<HTMLElement>(".form-row")!.hidden = true;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void ask();
});
