// The app that docs/svelte.md builds up: it runs, and does what the page says.
import { testApp } from "../support/docs-app.js";

testApp("docs/svelte.md", "app");
