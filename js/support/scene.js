// What most tests begin with: a page of the site, on which nobody is logged in yet.
import { afterEach, beforeEach } from "node:test";

import { closePage, openPage } from "./page.js";
import { Site } from "./site.js";
import { closeTabs } from "./tabs.js";

export const ALICE = { id: 1, username: "alice" };
export const CREDENTIALS = { username: "alice", password: "right" };
/** What a client calls to learn who is logged in. */
export const LOOK = "GET /api/auth/user/";

/** The site of the test that runs. */
export let site;

/** Let each test of this suite have a site and a page of its own. */
export function openPageForEach() {
  beforeEach(() => {
    site = new Site();
    openPage(site);
  });
  afterEach(() => {
    closeTabs();
    closePage();
  });
}
