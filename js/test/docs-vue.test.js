// The app that docs/vue.md builds up: it runs, and does what the page says.
import { testApp } from "../support/docs-app.js";

testApp("docs/vue.md", "app");
