import { sessionPlugin } from "django-session-auth/vue";
import { createApp } from "vue";

import App from "./App.vue";
import { client } from "./client.js";
import "./style.css";

createApp(App).use(sessionPlugin, client).mount("#app");
