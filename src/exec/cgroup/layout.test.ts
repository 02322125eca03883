import assert from "node:assert/strict";
import { test } from "node:test";
import { readCgroupLayout } from "./layout.ts";
import { controllersFor, supportedLimits } from "./resources.ts";

const V1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 master:1 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
`;
const UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

test("version 1 alone, with controllers mounted together", () => {
  const layout = readCgroupLayout(V1, "4:memory:/jobs/7\n2:cpu,cpuacct:/\n1:name=systemd:/\n");
  assert.equal(layout.kind, "v1");
  assert.deepEqual(
    layout.hierarchies.map(({ controllers, own }) => [controllers.join(), own]),
    [
      ["cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
      ["memory", "/sys/fs/cgroup/memory/jobs/7"],
      ["name=systemd", "/sys/fs/cgroup/systemd"],
    ],
  );
});

test("both versions", () => {
  const layout = readCgroupLayout(V1 + UNIFIED, "4:memory:/\n0::/user\n", () => "hugetlb\n");
  assert.equal(layout.kind, "hybrid");
  assert.deepEqual(layout.hierarchies.at(-1), {
    version: 2,
    controllers: ["hugetlb"],
    mountPoint: "/sys/fs/cgroup/unified",
    own: "/sys/fs/cgroup/unified/user",
  });
});

test("version 2 alone, in a container that sees a part of it", () => {
  const mounts = "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  const own = (path: string): string | undefined =>
    readCgroupLayout(mounts, `0::${path}\n`, () => "cpu memory").hierarchies[0]?.own;
  assert.equal(readCgroupLayout(mounts, "0::/docker/abc\n", () => "").kind, "v2");
  assert.equal(own("/docker/abc"), "/sys/fs/cgroup");
  assert.equal(own("/docker/abc/in"), "/sys/fs/cgroup/in");
  assert.equal(own("/elsewhere"), "/sys/fs/cgroup");
});

test("none, also when hidden by a later mount", () => {
  assert.equal(readCgroupLayout("", "0::/\n").kind, "none");
  const hidden =
    "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n31 30 0:40 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
  assert.equal(readCgroupLayout(hidden, "0::/\n").kind, "none");
});

test("names with blanks are read", () => {
  const odd = "30 23 0:26 / /mnt/a\\040b rw - cgroup2 cgroup rw\n";
  assert.equal(readCgroupLayout(odd, "0::/\n", () => "").hierarchies[0]?.mountPoint, "/mnt/a b");
});

test("limits without a controller are left out, with one warning each", () => {
  const warnings: string[] = [];
  const layout = readCgroupLayout(V1, "4:memory:/\n2:cpu,cpuacct:/\n");
  const limits = { memory: 1, cpuQuota: 2, cpuPeriod: 3, cpusetCpus: "0", cpusetMems: "0", pids: 4 };
  assert.deepEqual(controllersFor(limits), ["cpuset", "cpu", "memory", "pids"]);
  assert.deepEqual(
    supportedLimits(limits, layout, (message) => warnings.push(message)),
    { memory: 1, cpuQuota: 2, cpuPeriod: 3 },
  );
  assert.deepEqual(
    warnings.map((text) => /no (\w+) controller/.exec(text)?.[1]),
    ["cpuset", "pids"],
  );
});
