// What snippets of the docs take as given.
import type { Factors } from "../dist/factors.js";
import type { SessionClient } from "../dist/session-auth.js";

declare global {
  const client: SessionClient;
  const dialog: HTMLDialogElement;
  const code: string;
  const factors: Factors;
  const form: FormData;
  const root: import("react-dom/client").Root;
  const old_password: string;
  const new_password: string;
  const password: string;
  const username: string;
  const stay: HTMLButtonElement;
  function App(): null;
  function askForPassword(): Promise<string | null>;
  function askForToken(): Promise<string>;
  function cookieToken(): string | undefined;
  function createApp(component: unknown): import("vue").App;
  function reload(): void;
  function show(data: string): void;
  function showPrice(price: string): void;
  function post(url: string, data: unknown, token?: string): Promise<any>;

  // What Nuxt gives to each of its files.
  const reactive: typeof import("vue").reactive;
  function defineNuxtPlugin(plugin: () => Promise<{ provide: { client: SessionClient } }>): unknown;
  function useNuxtApp(): { $client: SessionClient };
  function useRequestHeaders(names: ["cookie"]): { cookie?: string };
  function useState(key: string): { value?: import("../dist/session-auth.js").Initial };
  interface ImportMeta {
    server: boolean;
  }

  interface Credential {
    toJSON(): unknown; // of a passkey; TypeScript does not know that navigator.credentials has one
  }

  interface HTMLElementEventMap {
    "htmx:config:request": CustomEvent;
    "htmx:configRequest": CustomEvent;
    "htmx:response:error": CustomEvent;
    "htmx:responseError": CustomEvent;
  }
}

// What docs/stages.md makes a stage of.
declare module "../dist/session-auth.js" {
  interface Stages {
    terms_required: {};
  }
}
