import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { hasId, parseIdMap, formatIdMap, unmappedOwner } from "../linux/index.ts";
import { explainRefusal, kernelRules, type KernelRules, type Refusal } from "./refusal.ts";
import { mapArguments, mapOf, parseGetsubids, parseSubordinateIds } from "./subordinate-ids.ts";

const ALICE = { name: "alice", uid: 1001 };

test("subordinate ids are those of the user's name and number, in the order of the file", () => {
  const text = [
    "alice:100000:65536",
    "bob:200000:65536",
    "1001:300000:10",
    "# a comment",
    "alice:x:5",
    "alice:1:2:3",
    "alice:4294967290:100",
    "alice:5:0",
    "",
  ].join("\n");
  assert.deepEqual(parseSubordinateIds(text, ALICE), [
    { first: 100_000, count: 65_536 },
    { first: 300_000, count: 10 },
    { first: 4_294_967_290, count: 5 },
  ]);
  assert.deepEqual(parseSubordinateIds("1001:1:1\n:2:1", { name: undefined, uid: 1001 }), [{ first: 1, count: 1 }]);
  assert.deepEqual(parseGetsubids("0: alice 100000 65536\n1: alice 300000 10\nnothing\n"), [
    { first: 100_000, count: 65_536 },
    { first: 300_000, count: 10 },
  ]);
});

test("a map has the user as root, and the ranges one after the other, without what they have in common", () => {
  const map = mapOf(1001, [
    { first: 100_000, count: 65_536 },
    { first: 100_000, count: 65_536 },
    { first: 300_000, count: 10 },
  ]);
  assert.equal(formatIdMap(map), "0:1001:1,1:100000:65536,65537:300000:10");
  assert.deepEqual(mapArguments(map).slice(0, 6), ["0", "1001", "1", "1", "100000", "65536"]);
  assert.equal(formatIdMap(mapOf(1001, [{ first: 1000, count: 3 }])), "0:1001:1,1:1000:1,2:1002:1");
  const range = fc.record({ first: fc.nat(60), count: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(fc.nat(60), fc.array(range, { maxLength: 6 }), (own, ranges) => {
      const made = mapOf(own, ranges);
      const spread = (of: "inside" | "outside"): number[] =>
        made.flatMap((each) => Array.from({ length: each.count }, (_, index) => each[of] + index));
      const [inside, outside] = [spread("inside"), spread("outside")];
      assert.deepEqual(inside, [...inside.keys()], "no gap and nothing twice inside");
      assert.equal(new Set(outside).size, outside.length, "nothing twice outside");
      assert.equal(outside[0], own);
      for (const id of outside.slice(1))
        assert.ok(ranges.some(({ first, count }) => id >= first && id < first + count));
    }),
  );
});

test("maps of the kernel are read", () => {
  const map = parseIdMap("         0       1001          1\n         1     100000      65536\n");
  assert.equal(formatIdMap(map), "0:1001:1,1:100000:65536");
  assert.deepEqual(
    [0, 65_536, 65_537].map((id) => hasId(map, id)),
    [true, true, false],
  );
});

test("an owner that the namespace lacks is named, with what to do", () => {
  const maps = { users: mapOf(1, [{ first: 100_000, count: 65_536 }]), groups: mapOf(1, [{ first: 5, count: 10 }]) };
  const invalid = Object.assign(new Error("EINVAL"), { code: "EINVAL" });
  const user = unmappedOwner(invalid, { uid: 70_000, gid: 0 }, maps);
  assert.equal(user?.code, "unsupported");
  assert.equal(user.message, "Cannot give a file to user id 70000: the user namespace has the user ids 0 to 65536");
  assert.match(user.hint ?? "", /^Add at least 4464 ids to \/etc\/subuid \(sudo usermod --add-subuids/);
  assert.match(unmappedOwner(invalid, { uid: 0, gid: 11 }, maps)?.hint ?? "", /at least 1 ids to \/etc\/subgid/);
  assert.equal(unmappedOwner(invalid, { uid: 7, gid: 7 }, maps), undefined);
  assert.equal(unmappedOwner(invalid, { uid: 70_000, gid: 0 }, undefined), undefined);
  assert.equal(unmappedOwner(new Error("other"), { uid: 70_000, gid: 0 }, maps), undefined);
  const single = { users: mapOf(1, []), groups: mapOf(1, []) };
  assert.match(unmappedOwner(invalid, { uid: 1, gid: 1 }, single)?.hint ?? "", /userns-single/);
});

/** What the kernel said on machines that forbid user namespaces: the message of the program that failed, and /proc. */
interface Recorded {
  readonly machine: string;
  readonly refusal: Refusal;
  readonly files?: Readonly<Record<string, string>>;
  readonly why: RegExp;
  readonly fix: RegExp;
}

const failed = (step: "make" | "map" | "mount", message: string): Refusal => ({ reason: "failed", step, message });
const CONFINED = { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" };
const FILTERED = { "/proc/self/status": "Name:\tnode\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n" };
const RECORDED: readonly Recorded[] = [
  {
    machine: "Ubuntu 24.04, at the first mount",
    refusal: failed("mount", "unshare: unshare failed: Operation not permitted"),
    files: CONFINED,
    why: /AppArmor restricts/,
    fix: /profile with the rule userns .*apparmor_restrict_unprivileged_userns=0/,
  },
  {
    machine: "Ubuntu 24.04, at the map",
    refusal: failed("map", "newuidmap: write to uid_map failed: Operation not permitted"),
    files: CONFINED,
    why: /AppArmor/,
    fix: /apparmor/i,
  },
  {
    machine: "a container with Docker's filter",
    refusal: failed("make", "unshare: unshare failed: Operation not permitted"),
    files: FILTERED,
    why: /system call filter/,
    fix: /seccomp=unconfined.*Unconfined/,
  },
  {
    machine: "Debian 10",
    refusal: failed("make", "unshare: unshare failed: Operation not permitted"),
    files: { "/proc/sys/kernel/unprivileged_userns_clone": "0\n" },
    why: /kernel\.unprivileged_userns_clone/,
    fix: /^sudo sysctl kernel\.unprivileged_userns_clone=1$/,
  },
  {
    machine: "a machine with a limit of 0",
    refusal: failed("make", "unshare: unshare failed: No space left on device"),
    why: /user\.max_user_namespaces/,
    fix: /^sudo sysctl user\.max_user_namespaces=\d+$/,
  },
  {
    machine: "a pod with allowPrivilegeEscalation: false",
    refusal: failed("map", "newuidmap: write to uid_map failed: Operation not permitted"),
    files: { "/proc/self/status": "NoNewPrivs:\t1\nSeccomp:\t0\n" },
    why: /no_new_privs/,
    fix: /allowPrivilegeEscalation: true.*userns-single/,
  },
  {
    machine: "newuidmap without set-user-id",
    refusal: failed("map", "newuidmap: write to uid_map failed: Operation not permitted"),
    why: /lacks its privileges/,
    fix: /chmod u\+s/,
  },
  {
    machine: "ids that are not the user's",
    refusal: failed("map", "newuidmap: uid range [1-65538) -> [100000-165537) not allowed"),
    why: /refuses the ids/,
    fix: /lines of this user/,
  },
  {
    machine: "no uidmap",
    refusal: { reason: "no-newuidmap" },
    why: /newuidmap is not/,
    fix: /^apt-get install uidmap$/,
  },
  {
    machine: "no subordinate ids",
    refusal: { reason: "no-subordinate-ids", user: "alice" },
    why: /alice has no subordinate ids/,
    fix: /^sudo usermod --add-subuids \d+-\d+ --add-subgids \d+-\d+ alice$/,
  },
];

test("what machines say that forbid user namespaces is explained, each with its own remedy", () => {
  for (const { machine, refusal, files = {}, why, fix } of RECORDED) {
    const rules: KernelRules = kernelRules((path) => files[path] ?? "");
    const explained = explainRefusal(refusal, rules);
    assert.match(explained.why, why, machine);
    assert.match(explained.fix, fix, machine);
  }
});
