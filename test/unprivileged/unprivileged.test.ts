/** Root in an ordinary container, without privileges, builds by a chroot, and makes the same images. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { readMade } from "../../testing/made.ts";
import { Pod } from "../../testing/pod.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type Outcome, Varve } from "../../testing/varve.ts";

const skip = await Pod.unavailable();
const EPOCH = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"];
const CHROOT = { VARVE_ISOLATION: "chroot" };

const DOCKERFILE = `FROM scratch
COPY --chmod=755 busybox /bin/busybox
COPY passwd group /etc/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -m 1777 /tmp && mkdir /gone /kept && echo 1 > /gone/f && echo 2 > /kept/f
RUN rm -r /gone && mkdir /gone && rm /kept/f && chown 65534:65534 /kept && echo 3 > /kept/a && ln /kept/a /kept/b
COPY --chown=alice:33 passwd /home/alice/
USER alice
WORKDIR /work
RUN id -u > /work/id && mkfifo /work/pipe && touch /work/file && chmod 2755 /work/file
`;

const MOUNTS = `FROM scratch
COPY --chmod=755 busybox /bin/busybox
COPY passwd group /etc/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN --mount=type=cache,target=/c,uid=1000 --mount=type=tmpfs,target=/t --mount=type=bind,target=/b \\
  --mount=type=secret,id=s,uid=1000,mode=0400 --mount=type=secret,id=s,env=S \\
  cat /b/passwd > /c/kept && cat /run/secrets/s > /secret && echo "$S" >> /secret && touch /t/x /b/y
USER alice
RUN --mount=type=cache,target=/c,uid=1000 --mount=type=cache,target=/d/e,source=sub,id=d wc -l < /c/kept > /tmp/lines; id -u
`;

function fill(folder: string, dockerfile: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "Dockerfile"), dockerfile);
  writeFileSync(join(folder, "passwd"), "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
  writeFileSync(join(folder, "group"), "root:x:0:\nalice:x:1000:\n");
  copyFileSync("/bin/busybox", join(folder, "busybox"));
  return folder;
}

function done(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

describe("root in an ordinary container", { skip }, () => {
  let pod: Pod;

  before(async () => {
    pod = await Pod.open();
  });
  after(async () => await pod[Symbol.asyncDispose]());

  const build = async (context: string, args: readonly string[], env: Readonly<Record<string, string>> = CHROOT) =>
    await pod.varve(["build", "--progress=plain", ...args, context], { env: { S: "sesame", ...env } });

  test("makes the same image as a machine's root", async () => {
    await using root = await Varve.open();
    const digest = async (folder: string, run: (args: readonly string[]) => Promise<unknown>): Promise<string> => {
      const metadata = join(folder, "metadata.json");
      const output = `type=oci,dest=${join(folder, "image.tar")},rewrite-timestamp=true`;
      await run([...EPOCH, "--metadata-file", metadata, "-o", output]);
      return String((JSON.parse(readFileSync(metadata, "utf8")) as Record<string, unknown>)["containerimage.digest"]);
    };
    const context = fill(join(root.folder, "app"), DOCKERFILE);
    const wanted = await digest(root.folder, async (args) => done(await root.run(["build", ...args, context])));
    const inside = fill(join(pod.folder, "app"), DOCKERFILE);
    assert.match(wanted, /^sha256:/);
    assert.equal(await digest(pod.folder, async (args) => done(await build(inside, args))), wanted);
  });

  test("has secrets, caches and contexts in its steps, and leaves none of them in the image", async () => {
    const context = fill(join(pod.folder, "mounts"), MOUNTS);
    const at = join(pod.folder, "made");
    done(
      await build(context, [
        "--secret",
        "id=s,env=S",
        "-o",
        `type=tar,dest=${at}.tar`,
        "-o",
        `type=oci,tar=false,dest=${at}`,
      ]),
    );
    const made = await readMade(`${at}.tar`, at);
    assert.equal(made.text("secret"), "sesamesesame\n");
    const names = [...made.files.keys()];
    assert.deepEqual(
      names.filter((name) => /^(run|b|c|t|d)(\/|$)/.test(name)),
      [],
    );
    assert.deepEqual(
      names.filter((name) => /^(dev|proc|sys)\//.test(name)),
      [],
    );
  });

  test("is refused unless it is asked for, with what to do; COPY works", async () => {
    const context = fill(join(pod.folder, "refused"), 'FROM scratch\nCOPY busybox /\nRUN ["/busybox", "true"]\n');
    for (const user of ["", "1000"]) {
      const env = { VARVE_ROOT: join(pod.folder, `root-${user}`) };
      mkdirSync(env.VARVE_ROOT);
      const { code, stderr } = await pod.varve(["build", context], { env: { ...env, VARVE_ISOLATION: "none" } });
      assert.equal(code, 5, stderr);
      assert.match(stderr, /Cannot run steps: .*SYS_ADMIN/);
      assert.match(stderr, /hint: .*--isolation=chroot/);
    }
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY busybox /\n");
    done(await pod.varve(["build", context]));
  });

  test("doctor proposes it, and finds that it works", async () => {
    const plain = await pod.varve(["doctor"]);
    assert.equal(plain.code, 5, plain.stdout);
    assert.match(plain.stdout, /To fix: varve --isolation=chroot/);
    const { stdout } = done(await pod.varve(["--isolation=chroot", "doctor"]));
    assert.match(stdout, /^limited +isolation +chroot, /m);
    assert.match(stdout, /^ok +RUN +a step ran/m);
  });

  test("builds and pushes as docs/ci.md says", { skip: registryMissing() ?? false }, async () => {
    await using registry = await startRegistry();
    const context = fill(join(pod.folder, "pushed"), DOCKERFILE);
    const page = readFileSync(new URL("../../docs/ci.md", import.meta.url), "utf8");
    const command = /varve (--isolation=chroot build .*)/.exec(page)?.[1] ?? assert.fail("docs/ci.md has the command");
    const image = `${registry.host}/app:1`;
    const args = command.replace("$(params.image)", image).replace("$(workspaces.source.path)", context).split(" ");
    done(await pod.varve(args));
    const response = await fetch(`http://${image.replace("/app:1", "/v2/app/manifests/1")}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json" },
    });
    assert.equal(response.status, 200);
  });
});
