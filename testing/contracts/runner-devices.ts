import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerEdits } from "../../src/cdi/index.ts";
import { temporaryDirectory } from "../../src/io/index.ts";
import { type Check, hasCode } from "./runner-bench.ts";

const NOTHING: ContainerEdits = {
  env: [],
  deviceNodes: [],
  mounts: [],
  hooks: [],
  netDevices: [],
  additionalGids: [],
};

export function deviceSteps(check: Check): void {
  check("a device brings environment, nodes, mounts, groups and hooks", async ({ sh, isUserNamespace }, t) => {
    if (isUserNamespace) return t.skip("a user namespace can make no device nodes under other names");
    await using outside = await temporaryDirectory();
    const at = (name: string): string => join(outside.path, name);
    writeFileSync(at("lib"), "library\n");
    mkdirSync(at("folder"));
    writeFileSync(at("folder/deep"), "deep\n");
    const edits: ContainerEdits = {
      ...NOTHING,
      env: ["GPU=all", "GIVEN=device"],
      deviceNodes: [
        { path: "/dev/gpu", hostPath: "/dev/zero" },
        { path: "/dev/pipe", type: "p", fileMode: 0o600, uid: 1000 },
      ],
      mounts: [
        { hostPath: at("folder"), containerPath: "/opt/a/b", options: ["ro", "bind"] },
        { hostPath: at("lib"), containerPath: "/usr/lib/lib.so", options: ["ro"] },
        { hostPath: "tmpfs", containerPath: "/scratch", type: "tmpfs", options: ["size=65536"] },
      ],
      hooks: [
        {
          name: "createRuntime",
          path: "/bin/sh",
          // crun 1.8 fails if a hook ends before it has read the state of the container.
          args: ["sh", "-c", `cat > /dev/null; echo "$WHAT" > ${at("hooked")}`],
          env: ["WHAT=hook"],
          timeout: 30,
        },
      ],
      additionalGids: [44, 0],
    };
    const { stdout, exitCode } = await sh(
      "echo $GPU $GIVEN; head -c 3 /dev/gpu | wc -c; stat -c '%F %a %u' /dev/pipe /dev/gpu; cat /opt/a/b/deep /usr/lib/lib.so; touch /opt/a/b/x 2>/dev/null || echo ro; df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2; id -G",
      { edits, user: "alice", env: ["GIVEN=step"] },
    );
    assert.deepEqual(
      [stdout, exitCode],
      [`all device\n3\nfifo 600 1000\ncharacter special file 666 1000\ndeep\nlibrary\nro\n64\n1000 44 2000\n`, 0],
    );
    assert.equal(readFileSync(at("hooked"), "utf8"), "hook\n");
  });

  check("a device that the machine lacks, or that no runtime can give, is an error", async ({ sh }) => {
    const wrong: readonly Partial<ContainerEdits>[] = [
      { deviceNodes: [{ path: "/dev/varve-none" }] },
      { deviceNodes: [{ path: "/dev/x", hostPath: "/etc/passwd" }] },
      { deviceNodes: [{ path: "/dev/x", hostPath: "/dev/zero", type: "b" }] },
      { mounts: [{ hostPath: "/varve-none", containerPath: "/x", options: [] }] },
      { netDevices: [{ hostInterfaceName: "eth7", name: "eth0" }] },
    ];
    for (const edits of wrong)
      await assert.rejects(sh("true", { edits: { ...NOTHING, ...edits } }), hasCode("unsupported"));
  });
}
