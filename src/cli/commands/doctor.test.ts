import assert from "node:assert/strict";
import { test } from "node:test";
import { describeReport } from "./doctor.ts";

test("prints each fact with its consequence and the command that fixes it", () => {
  const text = describeReport({
    root: "/r",
    ready: false,
    facts: [
      { name: "node", state: "ok", value: "26.0.0", required: true },
      {
        name: "OCI runtime",
        state: "missing",
        value: "none",
        required: true,
        consequence: "no RUN",
        fix: "apt-get install crun",
      },
      { name: "root", state: "limited", value: "/r\u001b[2J", required: false, consequence: "slow" },
    ],
  });
  assert.equal(
    text,
    [
      "ok       node         26.0.0",
      "missing  OCI runtime  none",
      "                      no RUN",
      "                      To fix: apt-get install crun",
      "limited  root         /r",
      "                      slow",
      "",
      "Builds with RUN steps do not work on this machine. Missing: OCI runtime.",
      "",
    ].join("\n"),
  );
});

test("the last line names what is missing", () => {
  const database = { name: "database", state: "missing", value: "damaged", required: true } as const;
  const step = { name: "RUN", state: "missing", value: "failed", required: true } as const;
  const text = describeReport({ root: "/r", ready: false, facts: [database, step] });
  assert.match(text, /\nBuilds do not work on this machine. Missing: database, RUN\.\n$/);
});
