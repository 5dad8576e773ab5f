import { createSessionClient } from "django-session-auth";
import { sessionPlugin } from "django-session-auth/vue";
import { createApp } from "vue";

import App from "./App.vue";
import "./style.css";

createApp(App).use(sessionPlugin, createSessionClient()).mount("#app");
