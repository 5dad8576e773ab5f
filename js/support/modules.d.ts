// What snippets of the docs import, and is not installed here.
declare module "*.vue" {
  const component: import("vue").Component;
  export default component;
}
declare module "*.css";
declare module "@vitejs/plugin-react";
declare module "vite";
