/** What root in a step tries to get out, in every way in which steps are isolated. docs/security.md says what is promised. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { landlockVersion, splitDevice } from "../src/linux/index.ts";
import { CONTROL, ESCAPES, escapeScript } from "../testing/escapes.ts";
import { ordinaryUser } from "../testing/ordinary-user.ts";
import { Pod } from "../testing/pod.ts";
import { type Outcome, Varve, buildsUnavailable } from "../testing/varve.ts";

const DOCKERFILE = `FROM scratch
COPY --chmod=755 busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p -m 1777 /tmp
ARG CANARY VICTIM DISK
COPY escapes /escapes
RUN sh /escapes
`;
/** A variable of the processes outside that no step is given. */
const OUTSIDE = { OUTSIDE: "secret" };
const NONE: ReadonlySet<string> = new Set();
/** Before Linux 6.12, root in a chroot may signal others. */
const IN_CHROOT: ReadonlySet<string> = landlockVersion() >= 6 ? NONE : new Set(["a signal to a process outside"]);

/** Makes a context, and returns the arguments of a build of it. */
function attempts(folder: string, victim: number): string[] {
  const context = join(folder, "app");
  mkdirSync(context);
  writeFileSync(join(context, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(context, "escapes"), escapeScript());
  copyFileSync("/bin/busybox", join(context, "busybox"));
  const canary = join(folder, "canary");
  writeFileSync(canary, "canary\n");
  chmodSync(canary, 0o644);
  const { major, minor } = splitDevice(statSync("/").dev);
  const variables = { CANARY: canary, VICTIM: victim, DISK: `${major} ${minor}` };
  const given = Object.entries(variables).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  return ["build", "--progress=plain", ...given, context];
}

function succeeded({ code, stderr }: Outcome): Set<string> {
  assert.equal(code, 0, stderr);
  assert.match(stderr, /all tried/);
  const found = new Set([...stderr.matchAll(/ESCAPED (.*)$/gm)].map(([, name = ""]) => name));
  assert.ok(found.delete(CONTROL));
  return found;
}

const user = ordinaryUser();
const noPod = await Pod.unavailable();

describe("no attempt of a step to get out succeeds", () => {
  test("there are enough of them", () => assert.ok(ESCAPES.size >= 30));

  test("as root of the machine", { skip: buildsUnavailable() ?? false }, async () => {
    await using varve = await Varve.open();
    assert.deepEqual(succeeded(await varve.run(attempts(varve.folder, process.pid), { env: OUTSIDE })), NONE);
  });

  test("in a user namespace", { skip: typeof user === "string" ? user : (buildsUnavailable() ?? false) }, async () => {
    assert.ok(typeof user !== "string");
    await using varve = await Varve.open({ user });
    assert.deepEqual(succeeded(await varve.run(attempts(varve.folder, process.pid), { env: OUTSIDE })), NONE);
  });

  test("in a chroot, to Varve and the container", { skip: noPod }, async () => {
    await using pod = await Pod.open();
    // Varve is the first process of the container.
    const outcome = await pod.varve(["--isolation=chroot", ...attempts(pod.folder, 1)], { env: OUTSIDE });
    assert.deepEqual(succeeded(outcome), IN_CHROOT);
  });
});
