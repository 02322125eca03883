import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change, Reason } from "./reason.ts";
import { rootReason } from "./roots.ts";
import { reasonText } from "./text.ts";

const changed = (...changes: Change[]): Reason => ({ kind: "changed", changes, total: changes.length });
const file = (path: string): Change => ({ kind: "file", path, aspects: [{ kind: "added" }] });

test("a reason names what it starts from once, however many paths lead there", () => {
  const reasons = [changed(file("a"), file("b"))];
  for (let step = 1; step <= 40; step += 1)
    reasons.push(
      changed(
        ...reasons.map((reason, index): Change => ({
          kind: "step",
          name: `step ${index}`,
          cause: rootReason(reason),
          files: [],
          total: 0,
        })),
      ),
    );
  const last = reasons.at(-1) ?? assert.fail();
  assert.deepEqual(rootReason(last), changed(file("a"), file("b")));
  assert.equal(reasonText(last), "a added; b added");
  assert.ok(JSON.stringify(last).length < 20_000);
});

test("steps that ran for another reason, and those whose files are known, stay", () => {
  const expired: Change = { kind: "step", name: "s", cause: { kind: "expired", ttl: "1d" }, files: [], total: 0 };
  const known: Change = { kind: "step", name: "t", cause: changed(file("a")), files: [], total: 0 };
  const differing = { ...known, files: [{ kind: "file", path: "b", aspects: [{ kind: "added" }] }], total: 1 } as const;
  assert.deepEqual(rootReason(changed(expired, known, differing)), changed(expired, file("a"), differing));
  const first: Reason = { kind: "first" };
  assert.equal(rootReason(first), first);
});
