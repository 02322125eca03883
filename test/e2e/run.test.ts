import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import { blobPath } from "../../testing/made.ts";
import { controllers } from "../../testing/controllers.ts";
import { sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

describe("running commands", { skip }, () => {
  test("shell, exec and heredoc forms, each in its directory and as its user", async () => {
    const folder = await varve.context(
      "forms",
      `FROM ${base}
RUN echo shell > /shell && \\
    # a comment inside
    echo more >> /shell
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN <<EOF
echo heredoc > /heredoc
echo second >> /heredoc
EOF
RUN <<EOF sh -e > /piped
echo piped
EOF
RUN <<'EOF'
#!/bin/cat
shebang $PATH
EOF
RUN echo 'me:x:1000:1001::/home/me:/bin/sh' >> /etc/passwd && echo 'extra:x:3000:me' >> /etc/group && chmod 777 /tmp
WORKDIR /made/by/workdir
USER me
RUN pwd > /tmp/pwd; id -u > /tmp/uid; id -g > /tmp/gid; id -G > /tmp/groups; echo $HOME > /tmp/home
USER 1000:5
RUN id -u > /tmp/uid2; id -g > /tmp/gid2
USER root
SHELL ["/bin/sh", "-xc"]
RUN echo with-shell
RUN rm /heredoc && mkdir -m 1777 /sticky && ln -s a /symlink && mkfifo /fifo && ln /exec /hard && touch -d @1000000000 /old
`,
    );
    const made = await varve.make([folder]);
    assert.equal(made.text("shell"), "shell\nmore\n");
    assert.equal(made.text("exec"), "exec\n");
    assert.equal(made.text("piped"), "piped\n");
    assert.match(made.stderr, /shebang \$PATH/);
    assert.equal(made.text("tmp/pwd"), "/made/by/workdir\n");
    assert.equal(made.text("tmp/uid"), "1000\n");
    assert.equal(made.text("tmp/gid"), "1001\n");
    assert.equal(made.text("tmp/groups"), "1001 3000\n");
    assert.equal(made.text("tmp/home"), "/home/me\n");
    assert.equal(made.text("tmp/gid2"), "5\n");
    assert.equal(made.files.get("made/by/workdir")?.owner, "0:0");
    assert.equal(made.files.has("heredoc"), false);
    assert.equal(made.files.get("sticky")?.mode, 0o1777);
    assert.deepEqual([made.files.get("symlink")?.type, made.files.get("symlink")?.link], ["symlink", "a"]);
    assert.equal(made.files.get("fifo")?.type, "fifo");
    assert.equal(made.files.get("hard")?.type, "hardlink");
    assert.equal(made.files.get("old")?.mtime, 1_000_000_000);
    assert.match(made.stderr, /\+ echo with-shell/);
    for (const name of ["proc", "sys", "dev"]) {
      const below = [...made.files.keys()].filter((path) => path.startsWith(`${name}/`));
      assert.deepEqual(below, [], `nothing of /${name} is in the image`);
    }
  });

  test("bind mounts: ignored files are not there, writes are thrown away", async () => {
    const folder = await varve.context(
      "binds",
      `FROM scratch AS stage
COPY a /folder/from-stage
FROM ${base}
RUN --mount=target=/ctx ls /ctx > /listing && cat /ctx/sub/b > /b && ! touch /ctx/x 2> /dev/null
RUN --mount=type=bind,source=sub,target=/ctx,rw echo changed > /ctx/b && cat /ctx/b > /changed
RUN --mount=type=bind,source=sub/b,target=/one-file cat /one-file > /still
RUN --mount=from=stage,source=/folder,target=/there cp /there/from-stage /copied
RUN --mount=from=${base},source=/etc,target=/image-etc cp /image-etc/passwd /image-passwd
`,
      { a: "a", "sub/b": "b", secret: "s", ".dockerignore": "secret\n" },
    );
    const made = await varve.make([folder]);
    assert.equal(made.text("listing"), ".dockerignore\nDockerfile\na\nsub\n".replace(".dockerignore\n", ""));
    assert.equal(made.text("b"), "b");
    assert.equal(made.text("changed"), "changed\n");
    assert.equal(made.text("still"), "b");
    assert.equal(made.text("copied"), "a");
    assert.match(made.text("image-passwd"), /^root/);
    assert.equal(made.files.has("ctx/a"), false);
    assert.equal(readFileSync(join(folder, "sub/b"), "utf8"), "b");
  });

  test("a relative root, and relative paths of everything that is given", async () => {
    await varve.files("", { "secret.txt": "hush", "docker/config.json": "{}" });
    await varve.context(
      "relative",
      `FROM ${base}
RUN --mount=type=bind,target=/b --mount=type=cache,id=relative,target=/c cat /b/f > /c/f && cp /c/f /f
RUN --mount=type=secret,id=s wc -c < /run/secrets/s > /length
`,
      { f: "from the context" },
    );
    const flags = ["--secret", "id=s,src=secret.txt", "--cache-to", "type=local,dest=relative-cache"];
    const made = ["-o", "type=local,dest=relative-out", "-f", "relative/Dockerfile", "relative"];
    const env = { VARVE_ROOT: "elsewhere", DOCKER_CONFIG: "docker" };
    const outcome = await varve.run(["--root", "root", "build", ...flags, ...made], { env });
    assert.equal(outcome.code, 0, outcome.stderr);
    const read = (name: string): string => readFileSync(join(varve.folder, "relative-out", name), "utf8");
    assert.deepEqual([read("f"), read("length").trim()], ["from the context", "4"]);
    const again = await varve.build(["--cache-from", "type=local,src=relative-cache", ...flags.slice(0, 2), ...made], {
      env: { ...env, VARVE_ROOT: "root" },
    });
    assert.ok(again.steps.every((step) => step.status !== "run"));
  });

  test("cache mounts last from build to build, and are no part of the image", async () => {
    const dockerfile = `FROM ${base}
ARG N
RUN --mount=type=cache,target=/cache echo $N >> /cache/log && cat /cache/log > /log
RUN --mount=type=cache,target=/cache,id=other,sharing=private ls /cache > /other
RUN --mount=type=cache,target=/owned,uid=12,gid=34,mode=0700 stat -c '%u:%g %a' /owned > /owner
RUN --mount=type=cache,target=/locked,sharing=locked,id=locked echo $N > /locked/n
RUN --mount=type=tmpfs,target=/scratch,size=1m echo x > /scratch/x; ! dd if=/dev/zero of=/scratch/big bs=1M count=2 2>/dev/null
`;
    const folder = await varve.context("caches", dockerfile);
    await varve.make(["--build-arg", "N=1", folder]);
    const made = await varve.make(["--build-arg", "N=2", folder]);
    assert.equal(made.text("log"), "1\n2\n");
    assert.equal(made.text("other"), "");
    assert.equal(made.text("owner"), "12:34 700\n");
    assert.deepEqual(
      [...made.files.keys()].filter((path) => /^(?:cache|scratch|locked)\//.test(path)),
      [],
    );
  });

  test("a folder of a cache mount is found inside it, whatever a step made of it", async () => {
    const outside = await varve.files("outside", { precious: "kept" });
    const folder = await varve.context(
      "cache-folders",
      `FROM ${base}
RUN --mount=type=cache,id=links,target=/c ln -s ${outside} /c/way-out && ln -s /real /c/inside && mkdir /c/real && echo 1 > /c/real/x
RUN --mount=type=cache,id=links,source=/inside,target=/c cp /c/x /seen
RUN --mount=type=cache,id=links,source=/way-out,target=/c ls /c > /listing && rm -f /c/precious
RUN --mount=type=cache,id=links,source=/new/folder,target=/c echo y > /c/y
RUN --mount=type=cache,id=links,target=/c cat /c/new/folder/y > /y
`,
    );
    const made = await varve.make([folder]);
    assert.equal(made.text("seen"), "1\n");
    assert.equal(made.text("listing"), "");
    assert.equal(made.text("y"), "y\n");
    assert.equal(readFileSync(join(outside, "precious"), "utf8"), "kept");
  });

  test("secrets reach the step and nothing else", async () => {
    const value = "a very particular value";
    const file = join(await varve.files("secrets", { token: value }), "token");
    const folder = await varve.context(
      "secret",
      `FROM ${base}
RUN --mount=type=secret,id=file cat /run/secrets/file | wc -c > /length; stat -c '%u:%g %a' /run/secrets/file > /mode
RUN --mount=type=secret,id=file,target=/etc/where,uid=5,gid=6,mode=0444 stat -c '%u:%g %a' /etc/where > /where-mode
RUN --mount=type=secret,id=file,env=FROM_FILE --mount=type=secret,id=FROM_ENV,env=OTHER echo "\${#FROM_FILE} \${#OTHER}" > /lengths
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
ENV PUBLIC=public
RUN --mount=type=secret,id=absent,env=ABSENT --mount=type=secret,id=unset,env=PUBLIC,required \\
    --mount=type=secret,id=unset,required \\
    env | grep -E 'ABSENT|PUBLIC' | sort > /empty; wc -c < /run/secrets/unset >> /empty
`,
    );
    const made = await varve.make(
      ["file,src=" + file, "FROM_ENV,env=THE_VARIABLE", "unset,env=NOT_SET"]
        .flatMap((id) => ["--secret", `id=${id}`])
        .concat(folder),
      { env: { THE_VARIABLE: value } },
    );
    assert.equal(made.text("length").trim(), String(value.length));
    assert.equal(made.text("mode"), "0:0 400\n");
    assert.equal(made.text("where-mode"), "5:6 444\n");
    assert.equal(made.text("lengths"), `${value.length} ${value.length}\n`);
    assert.equal(made.files.get("etc/where")?.text ?? "", "");
    assert.equal(made.text("empty"), "ABSENT=\nPUBLIC=\n0\n", "as in BuildKit");
    assert.match(made.stderr, /secret unset is empty: the environment has no variable NOT_SET/);
    assert.doesNotMatch(
      JSON.stringify([made.config, made.manifest, made.metadata, [...made.files.values()], made.stderr]),
      /particular/,
    );
    for (const digest of [made.manifest.config.digest])
      assert.doesNotMatch(readFileSync(blobPath(made.layout, digest), "utf8"), /particular/);
    const required = await varve.context(
      "required",
      `FROM ${base}\nRUN --mount=type=secret,id=no,required cat /run/secrets/no\n`,
    );
    const refused = await varve.tryBuild([required]);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /secret no: not found/);
    const unread = await varve.tryBuild(["--secret", "id=unused,src=/nonexistent", folder]);
    assert.equal(unread.code, 2);
    assert.match(unread.stderr, /^ERROR: Cannot use secret unused: there is no file \/nonexistent\n$/);
  });

  test("relative targets of every kind of mount lie in the working directory", async () => {
    const socket = join(varve.folder, "relative.sock");
    const agent = createServer((connection) => connection.end()).listen(socket);
    await once(agent, "listening");
    const token = join(await varve.files("relative-secret", { token: "value" }), "token");
    const folder = await varve.context(
      "relative",
      `FROM ${base}
WORKDIR /work/here
ENV NAME=named
RUN --mount=type=secret,id=token,target=rel.txt --mount=type=secret,id=token,target=~/x \
    --mount=type=secret,id=token,target=../$NAME --mount=type=ssh,target=agent.sock \
    --mount=type=tmpfs,target=tmp --mount=type=cache,target=cache --mount=target=bound \
    --mount=type=secret,id=token,target=tmp/inside \
    cd / && cat /work/here/rel.txt "/work/here/~/x" /work/named /work/here/tmp/inside > /contents && \
    test -S /work/here/agent.sock && echo $SSH_AUTH_SOCK > /agent && \
    awk '$2 ~ "^/work/" { print $2 }' /proc/mounts | sort > /mounts
`,
    );
    try {
      const made = await varve.make(["--secret", `id=token,src=${token}`, "--ssh", `default=${socket}`, folder]);
      assert.equal(made.text("contents"), "value".repeat(4));
      assert.equal(made.text("agent"), "agent.sock\n");
      const places = ["agent.sock", "bound", "cache", "rel.txt", "tmp", "tmp/inside", "~/x"];
      assert.deepEqual(made.text("mounts").trim().split("\n").sort(), [
        ...places.map((place) => `/work/here/${place}`),
        "/work/named",
      ]);
      assert.deepEqual(
        [...made.files.keys()].filter((path) => path.startsWith("work/") && path.length > "work/here".length),
        [],
      );
    } finally {
      agent.close();
    }
  });

  test("an SSH agent can be spoken to from the step", async () => {
    const socket = join(varve.folder, "agent.sock");
    const agent = createServer((connection) => connection.end()).listen(socket);
    await once(agent, "listening");
    const folder = await varve.context(
      "ssh",
      `FROM ${base}
RUN --mount=type=ssh,mode=0666 test -S "$SSH_AUTH_SOCK" && stat -c %a $SSH_AUTH_SOCK > /mode
`,
    );
    try {
      const made = await varve.make(["--ssh", `default=${socket}`, folder]);
      assert.equal(made.text("mode"), "666\n");
      assert.deepEqual(
        [...made.files.keys()].filter((path) => path.startsWith("run/")),
        [],
      );
    } finally {
      agent.close();
    }
    const gone = await varve.tryBuild(["--ssh", `default=${join(varve.folder, "nothing.sock")}`, "--no-cache", folder]);
    assert.equal(gone.code, 2, gone.stderr);
    assert.match(gone.stderr, /there is no file .*nothing\.sock/);
  });

  test("networks, hosts, limits and what has to be allowed", async () => {
    const folder = await varve.context(
      "network",
      `FROM ${base}
RUN --network=none ls /sys/class/net > /none; cat /etc/hosts > /hosts
RUN ulimit -n > /files; df -k /dev/shm | tail -n1 | awk '{print $2}' > /shm; cat /etc/hostname > /hostname || true
`,
    );
    const made = await varve.make([
      "--add-host",
      "other.test:10.9.8.7",
      "--ulimit",
      "nofile=123:456",
      "--shm-size",
      "32m",
      folder,
    ]);
    assert.equal(made.text("none"), "lo\n");
    assert.match(made.text("hosts"), /10\.9\.8\.7\s+other\.test/);
    assert.equal(made.text("files"), "123\n");
    assert.equal(made.text("shm"), "32768\n");
    assert.equal(made.files.get("etc/hosts")?.text ?? "", "");
    const host = await varve.context("host", `FROM ${base}\nRUN --network=host ls /sys/class/net > /net\n`);
    const refused = await varve.tryBuild([host]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /network\.host is not allowed/);
    assert.match((await varve.make(["--allow", "network.host", host])).text("net"), /lo/);
    const insecure = await varve.context(
      "insecure",
      `FROM ${base}\nRUN --security=insecure grep CapEff /proc/self/status > /caps\n`,
    );
    const denied = await varve.tryBuild([insecure]);
    assert.notEqual(denied.code, 0);
    assert.match(denied.stderr, /security\.insecure is not allowed/);
    assert.match((await varve.make(["--allow", "security.insecure", insecure])).text("caps"), /CapEff:\s+0*[1-9a-f]/);
    const forced = await varve.context("forced", `FROM ${base}\nRUN ls /sys/class/net > /net\n`);
    assert.match((await varve.make(["--network", "host", forced])).text("net"), /lo/);
  });

  test("limits of memory and processors hold for each step, and are in no key", async () => {
    const folder = await varve.context(
      "limited",
      `FROM ${base}
RUN cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes > /memory; \\
    cat memory/memory.memsw.limit_in_bytes > /swap; cat cpuset.cpus cpuset/cpuset.cpus > /cpus; \\
    cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us | tr '\\n' ' ' > /cpu; true
`,
    );
    const hungry = await varve.context(
      "hungry",
      `FROM ${base}\nRUN x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived > /x\n`,
    );
    const cpu = ["--cpu-quota", "50000", "--cpu-period", "200000", "--cpuset-cpus", "0", "-c", "512"];
    const memory = ["-m", "32m", "--memory-swap", "32m"];
    const made = await varve.make([...memory, ...cpu, folder]);
    if (controllers().has("memory")) {
      assert.equal(made.text("memory"), `${32 * 1_048_576}\n`);
      assert.match(made.text("swap"), new RegExp(`^(${32 * 1_048_576}\n)?$`));
      const killed = await varve.tryBuild([...memory, hungry]);
      assert.equal(killed.code, 1);
      assert.match(killed.stderr, /exit code: 137 \(killed: out of memory\)/);
      assert.match(killed.stderr, /^hint: Give the step more than 33554432 bytes with --memory\.$/m);
    }
    if (controllers().has("cpu")) assert.equal(made.text("cpu"), "50000 200000 ");
    if (controllers().has("cpuset")) assert.equal(made.text("cpus"), "0\n");
    const other = await varve.build(["-m", "64m", "--cpu-quota", "70000", "-o", "type=cacheonly", folder]);
    assert.ok(other.steps.every(({ status }) => status === "hit"));
    for (const flags of [
      ["-m", "1k"],
      ["--cpuset-cpus", "a"],
      ["--memory-swap", "64m"],
    ])
      assert.equal((await varve.tryBuild([...flags, folder])).code, 2, flags.join(" "));
  });

  test("nothing of a build stays in the root", async () => {
    for (const folder of ["content/ingest", "tmp", "locks"]) {
      const names = await readdir(join(varve.root, folder)).catch(() => []);
      assert.deepEqual(folder === "locks" ? [] : names, [], folder);
    }
  });
});
