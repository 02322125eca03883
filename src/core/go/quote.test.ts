import assert from "node:assert/strict";
import { test } from "node:test";
import { goQuoteRune } from "./quote.ts";

test("numbers are characters, as Go's %q has it", () => {
  const texts = [0, 2, 10, 34, 39, 65, 92, 127, 0xd800, 0x11_0000, -1].map(goQuoteRune);
  const expected = ["'\\x00'", "'\\x02'", "'\\n'", "'\"'", "'\\''", "'A'", "'\\\\'", "'\\x7f'", "'�'", "'�'", "'�'"];
  assert.deepEqual(texts, expected);
});
