import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { controllers } from "../controllers.ts";
import type { Check } from "./runner-bench.ts";

const DEFAULT_CAPABILITIES = "00000000a80425fb";

export function sandboxedSteps(check: Check): void {
  check("root in a sandbox has Docker's capabilities and system calls", async ({ sh }) => {
    const { stdout } = await sh("grep -E '^(CapEff|CapBnd|CapAmb|Seccomp|NoNewPrivs):' /proc/self/status");
    assert.deepEqual(
      Object.fromEntries(
        stdout
          .trim()
          .split("\n")
          .map((line) => line.split(":\t")),
      ),
      {
        CapEff: DEFAULT_CAPABILITIES,
        CapBnd: DEFAULT_CAPABILITIES,
        CapAmb: "0000000000000000",
        Seccomp: "2",
        NoNewPrivs: "0",
      },
    );
    assert.notEqual((await sh("mount -t tmpfs none /tmp")).exitCode, 0);
    assert.notEqual((await sh("unshare -U true")).exitCode, 0);
  });

  check("a user other than root has no capabilities in force", async ({ sh }) => {
    assert.match((await sh("grep CapEff /proc/self/status", { user: "alice" })).stdout, /CapEff:\t0{16}/);
  });

  check(
    "it can make device nodes, and use only the harmless; none in a user namespace",
    async ({ sh, isUserNamespace }) => {
      if (isUserNamespace) {
        const { stdout } = await sh("mknod /null c 1 3; mknod /disk b 7 0; ls / | grep -cE '^(null|disk)$'");
        assert.equal(stdout, "0\n");
        return;
      }
      const { stdout, stderr } = await sh(
        "mknod /null c 1 3 && echo x > /null && echo null; mknod /mem c 1 1 && cat /mem; mknod /disk b 7 0 && head -c1 /disk; ls -l /mem /disk | wc -l",
      );
      assert.equal(stdout, "null\n2\n");
      assert.match(stderr, /\/mem'?: Operation not permitted/);
      assert.match(stderr, /\/disk'?: Operation not permitted/);
    },
  );

  check("the kernel's files are masked or read-only", async ({ sh }) => {
    const { stdout } = await sh(
      "head -c1 /proc/kcore | wc -c; echo 1 2>/dev/null > /proc/sys/kernel/panic || echo ro; mkdir $(ls -d /sys/fs/cgroup/devices /sys/fs/cgroup 2>/dev/null | tail -1)/x 2>/dev/null || echo ro; ls /sys/firmware | wc -l; test -w /proc/sysrq-trigger || echo ro",
    );
    assert.equal(stdout, "0\nro\nro\n0\nro\n");
  });

  check("it is alone: first process, own name, own devices", async ({ sh }) => {
    const { stdout } = await sh(
      "echo $$; hostname; ls /dev | sort | tr '\\n' ' '; echo; cut -d' ' -f3 /proc/mounts | grep -E '^(mqueue|devpts|tmpfs)$' | sort -u",
    );
    const [pid, host, devices = "", ...types] = stdout.trim().split("\n");
    assert.deepEqual([pid, host], ["1", "buildkitsandbox"]);
    const want = [
      "fd",
      "full",
      "mqueue",
      "null",
      "ptmx",
      "pts",
      "random",
      "shm",
      "stderr",
      "stdin",
      "stdout",
      "tty",
      "urandom",
      "zero",
    ];
    assert.deepEqual(
      want.filter((name) => !devices.split(" ").includes(name)),
      [],
    );
    assert.deepEqual(types, ["devpts", "mqueue", "tmpfs"]);
  });

  check("names and name servers are given", async ({ sh }) => {
    const { stdout } = await sh("hostname; cat /etc/hosts; cat /etc/resolv.conf", {
      hostname: "maker",
      extraHosts: [{ host: "db.example", ip: "10.1.2.3" }],
      dns: { servers: ["9.9.9.9"], search: ["example.org"], options: ["ndots:2"] },
    });
    const [name, ...rest] = stdout.trimEnd().split("\n");
    assert.equal(name, "maker");
    assert.deepEqual(rest.slice(0, 6), [
      "127.0.0.1\tlocalhost maker",
      "::1\tlocalhost ip6-localhost ip6-loopback",
      "10.1.2.3\tdb.example",
      "nameserver 9.9.9.9",
      "search example.org",
      "options ndots:2",
    ]);
    assert.notEqual((await sh("echo x >> /etc/hosts")).exitCode, 0);
    assert.equal((await sh("cat /etc/hostname", { hostname: "maker", hostnameFile: true })).stdout, "maker\n");
  });

  check("without a network there is a loopback interface that works, and no other", async ({ sh }) => {
    const { stdout } = await sh("ls /sys/class/net; ip -o addr show up | grep -c 127.0.0.1", { network: "none" });
    assert.equal(stdout, "lo\n1\n");
    const machine = readFileSync("/proc/net/dev", "utf8").split("\n").length;
    const shared = await sh("wc -l < /proc/net/dev", { network: "host" });
    assert.equal(Number(shared.stdout), machine - 1);
  });

  check("without a sandbox root may do what this process may", async ({ sh }) => {
    const own = /^CapEff:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    const { stdout } = await sh(
      "grep CapEff /proc/self/status | cut -f2; grep ^Seccomp: /proc/self/status | cut -f2; mount -t tmpfs none /tmp && echo mounted; test -c /dev/fuse && echo fuse",
      { security: "insecure" },
    );
    assert.equal(stdout, `${own}\n0\nmounted\nfuse\n`);
  });

  check(
    "without a sandbox a step makes control groups inside its own, and they do not outlive it",
    async ({ sh }, t) => {
      if (controllers().size === 0) return t.skip("this process may make no control groups");
      const name = `varve-made-${process.pid}`;
      const script = `set -e; for at in /sys/fs/cgroup/cpuset /sys/fs/cgroup/pids /sys/fs/cgroup; do if test -e $at/tasks -o -e $at/cgroup.procs; then mkdir $at/${name}; fi; done; echo made`;
      for (let round = 0; round < 2; round += 1) {
        const { stdout, stderr } = await sh(script, { security: "insecure" });
        assert.equal(stdout, "made\n", stderr);
      }
      for (const at of ["cpuset", "pids", "."]) assert.ok(!existsSync(`/sys/fs/cgroup/${at}/${name}`), at);
    },
  );

  check("resource limits of processes and the size of shared memory are set", async ({ sh }) => {
    const { stdout } = await sh("ulimit -n; ulimit -Hn; ulimit -c; df -k /dev/shm | tail -1 | awk '{print $2}'", {
      ulimits: [
        { name: "nofile", soft: 100, hard: 200 },
        { name: "core", soft: -1, hard: -1 },
      ],
      shmSize: 1_048_576,
    });
    assert.equal(stdout, "100\n200\nunlimited\n1024\n");
    await assert.rejects(sh("true", { ulimits: [{ name: "bogus", soft: 1, hard: 1 }] }), /unknown/);
  });

  check("a step that takes more memory than its limit is killed, and says why", async ({ sh }, t) => {
    if (!controllers().has("memory")) return t.skip("this machine has no memory controller");
    const memory = 32 * 1_048_576;
    const outcome = await sh("x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived", {
      limits: { memory, memorySwap: memory },
    });
    assert.deepEqual([outcome.oomKilled, outcome.stdout], [true, ""]);
    assert.notEqual(outcome.exitCode, 0);
    assert.equal((await sh("true", { limits: { memory } })).oomKilled, false);
  });

  check("a limit that the kernel refuses is an error, not a step without it", async ({ sh }, t) => {
    if (!controllers().has("cpuset")) return t.skip("this machine has no cpuset controller");
    await assert.rejects(sh("true", { limits: { cpusetCpus: "4000" } }));
  });

  check("a step cannot have more processes than its limit", async ({ sh }, t) => {
    if (!controllers().has("pids")) return t.skip("this machine has no pids controller");
    const { stdout } = await sh("for i in $(seq 1 20); do sleep 5 & done 2>/dev/null; echo done", {
      limits: { pids: 8 },
    });
    assert.equal(stdout, "");
  });

  check("a control group can be asked for, and does not outlive the step", async ({ sh }, t) => {
    if (controllers().size === 0) return t.skip("this process may make no control groups");
    const parent = `/varve-test-${process.pid}`;
    const { stdout } = await sh("cat /proc/self/cgroup", { cgroupParent: parent });
    assert.match(stdout, new RegExp(`:${parent}/|^0::/$`, "m"));
  });
}
