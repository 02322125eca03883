import assert from "node:assert/strict";
import { test } from "node:test";
import type { CgroupLayout } from "./layout.ts";
import { userGroups } from "./user-namespace.ts";

const unified = (own: string): CgroupLayout => ({
  kind: "v2",
  hierarchies: [
    { version: 2, controllers: ["memory", "pids"], mountPoint: "/sys/fs/cgroup", own: `/sys/fs/cgroup${own}` },
  ],
});

test("groups are made where the user may make them, and hidden from the runtime elsewhere", () => {
  const delegated = unified("/user.slice/user@1001.service/app/varve.scope");
  assert.deepEqual(
    userGroups(delegated, (path) => path.startsWith("/sys/fs/cgroup/user.slice/user@1001.service/")),
    { layout: delegated, covered: [] },
  );
  const none = { kind: "none", hierarchies: [] };
  assert.deepEqual(
    userGroups(unified("/user.slice/session-3.scope"), () => false),
    { layout: none, covered: ["/sys/fs/cgroup"] },
  );
  const v1: CgroupLayout = {
    kind: "v1",
    hierarchies: [{ version: 1, controllers: ["pids"], mountPoint: "/sys/fs/cgroup/pids", own: "/sys/fs/cgroup/pids" }],
  };
  assert.deepEqual(
    userGroups(v1, () => true),
    { layout: none, covered: ["/sys/fs/cgroup"] },
  );
  assert.deepEqual(
    userGroups({ kind: "none", hierarchies: [] }, () => true),
    { layout: none, covered: [] },
  );
});
