// What snippets of the docs import, and is not installed here.
declare module "*.vue" {
  const component: import("vue").Component;
  export default component;
}
declare module "*.svelte" {
  const component: import("svelte").Component;
  export default component;
}
declare module "*.css";
declare module "@vitejs/plugin-react";
declare module "vite";
declare module "@tanstack/react-query" {
  export class QueryClient {
    clear(): void;
  }
}
declare module "msw" {
  type Handler = (path: string, answer: () => Response) => unknown;
  export const http: { get: Handler; post: Handler };
  export const HttpResponse: typeof Response;
}
declare module "swr" {
  export function mutate(key: (key: unknown) => boolean, data: undefined): Promise<unknown>;
}
declare module "next/server" {
  export const NextResponse: { next(): Response; redirect(url: URL): Response };
}
declare module "react-router" {
  export function redirect(address: string): Response;
}
