import { createSessionClient } from "django-session-auth";
import { sessionPlugin } from "django-session-auth/vue";
import { createApp } from "vue";

import App from "./App.vue";
import "./style.css";

const client = createSessionClient();

createApp(App).use(sessionPlugin, client).mount("#app");
