import { SessionProvider } from "django-session-auth/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App.jsx";
import { client } from "./client.js";
import "./style.css";

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <SessionProvider client={client}>
      <App />
    </SessionProvider>
  </StrictMode>,
);
