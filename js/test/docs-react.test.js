// The app that docs/react.md builds up: it runs, and does what the page says.
import { testApp } from "../support/docs-app.js";

testApp("docs/react.md", "root");
