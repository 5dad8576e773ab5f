import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const clientModule = (name) =>
  fileURLToPath(new URL(`../../src/session_auth/static/session_auth/${name}`, import.meta.url));

// changeOrigin must be false, which a plain string in `proxy` would not give. Django then sees the
// Host that the browser sees, which is that of the Origin header, and the CSRF check passes.
const django = {
  target: process.env.DJANGO_ORIGIN ?? "http://127.0.0.1:8000",
  changeOrigin: false,
};

export default defineConfig(({ command }) => ({
  plugins: [react()],
  // Below Django's STATIC_URL; see STATICFILES_DIRS in react_site/settings.py.
  base: command === "build" ? "/static/react/" : "/",
  // No data: addresses, which the Content-Security-Policy of the page forbids.
  build: { assetsInlineLimit: 0 },
  resolve: {
    // The client of this checkout. Where the npm package is installed, leave `resolve` out.
    alias: {
      "django-session-auth/react": clientModule("react.js"),
      "django-session-auth/factors": clientModule("factors.js"),
      "django-session-auth": clientModule("session-auth.js"),
    },
    dedupe: ["react"],
  },
  server: { proxy: { "/api": django, "/admin": django, "/static": django } },
}));
