// The files of docs/angular.md: Angular's own compiler and signals have nothing against them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { parseTemplate } from "@angular/compiler";

import { snippets } from "../support/snippets.js";

const files = snippets("docs/angular.md");

describe("the files of docs/angular.md", () => {
  it("have a template that is one", () => {
    const [, template] = files["src/app/sign-in.ts"].match(/template: `(.*?)`/s);

    assert.equal(parseTemplate(template, "sign-in.html").errors, null);
    assert.notEqual(parseTemplate(template.replace("} @else", "@else"), "wrong.html").errors, null);
  });
});
