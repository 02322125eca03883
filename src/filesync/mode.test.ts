import assert from "node:assert/strict";
import { test } from "node:test";
import { goModeOf, isRequestable, kindOf, permissionsOf, storedMode } from "./mode.ts";

test("modes are Go's, not the kernel's", () => {
  for (const [kernel, go, kind] of [
    [0o100644, 0o644, "file"],
    [0o104755, 0x0080_01ed, "file"],
    [0o102711, 0x0040_01c9, "file"],
    [0o041777, 0x8010_01ff, "directory"],
    [0o120777, 0x0800_01ff, "symlink"],
    [0o060660, 0x0400_01b0, "block"],
    [0o020660, 0x0420_01b0, "char"],
    [0o010600, 0x0200_0180, "fifo"],
    // Senders clear the bit of a socket.
    [0o140755, 0o755, "file"],
  ] as const) {
    assert.equal(goModeOf(kernel), go);
    assert.equal(kindOf(go), kind);
    assert.equal(permissionsOf(go), kernel & 0o7777);
    assert.equal(isRequestable(go), kind === "file");
  }
});

test("bits that Linux cannot store are dropped, and unknown types are refused", () => {
  assert.equal(storedMode(0x4000_01a4), 0o644);
  assert.equal(storedMode(0x8000_01ed), 0x8000_01ed);
  for (const mode of [0x0008_0000, 0x8800_0000, 0x0020_0000, 0x0100_0000]) {
    assert.equal(kindOf(mode), undefined);
    assert.equal(isRequestable(mode), false);
  }
});
