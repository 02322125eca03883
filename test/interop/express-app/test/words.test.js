import assert from "node:assert/strict";
import { test } from "node:test";
import { GREETING } from "../src/words.js";

test("the greeting is a word", () => assert.match(GREETING, /^\w+$/));
