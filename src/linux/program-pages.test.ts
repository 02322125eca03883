import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { dropProgramPages, unchangedMappings } from "./program-pages.ts";

function mapping(head: string, { rss = 4, anonymous = 0 } = {}): string {
  return `${head}\nSize:                 64 kB\nRss:                   ${rss} kB\nAnonymous:             ${anonymous} kB\nVmFlags: rd ex mr mw me`;
}

test("mappings that nothing has changed are those of files, without the right to write", () => {
  const smaps = [
    mapping("00400000-00410000 r-xp 00000000 fe:00 2049023                            /usr/bin/node"),
    mapping("00410000-00420000 r--p 00010000 fe:00 2049023                            /usr/bin/node", { anonymous: 8 }),
    mapping("00420000-00430000 rw-p 00020000 fe:00 2049023                            /usr/bin/node"),
    mapping("00430000-00440000 r--p 00000000 fe:00 77 /lib/with space", { rss: 12 }),
    mapping("00440000-00450000 r--p 00000000 fe:00 78 /lib/not-resident", { rss: 0 }),
    mapping("7f5000000000-7f5000010000 r--s 00000000 fe:00 79 /var/lib/state.db"),
    mapping("7f5000010000-7f5000020000 r-xp 00000000 00:00 0 "),
  ].join("\n");
  assert.deepEqual(unchangedMappings(smaps), [
    { start: 0x400000n, length: 0x10000 },
    { start: 0x430000n, length: 0x10000 },
  ]);
  assert.deepEqual(unchangedMappings(""), []);
});

test("a program goes on when its pages were dropped, and has fewer of them", () => {
  const resident = (): number => Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
  dropProgramPages();
  const few = resident();
  // What the engine has not executed since.
  const regular = new RegExp("(a|b)+c".repeat(3)).test("abcabcabc");
  assert.ok(regular);
  assert.ok(few < 30_000, `${few} kB are resident`);
  assert.deepEqual(JSON.parse('{"a":[1,2]}'), { a: [1, 2] });
});
