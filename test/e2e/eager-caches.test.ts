import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type S3Server, S3_KEYS, s3Missing, startS3 } from "../../testing/s3-server.ts";
import { generatedRuns } from "../../testing/sampled.ts";
import { Varve, buildsUnavailable, finished } from "../../testing/varve.ts";
import { listRemoteCache } from "../../src/caches/index.ts";
import { type CacheSpec, type Store, openStore } from "../../src/engine/index.ts";
import { isVarveError } from "../../src/core/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? s3Missing() ?? false;
const STEPS = 5;
const RUN = (at: number): string => `RUN ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 0.2; echo $SALT > /${at}"]`;
/** Steps one after the other, each of which takes a moment; then one that does not end. */
const DOCKERFILE = `FROM scratch AS made
COPY --chmod=755 bin /bin
ARG SALT
${Array.from({ length: STEPS }, (_, at) => RUN(at)).join("\n")}
FROM made
RUN ["/bin/busybox", "sleep", "1000"]
`;

suite("a cache that is exported while the build runs", { skip }, () => {
  const stack = new AsyncDisposableStack();
  let server: RegistryServer;
  let bucket: S3Server;
  let varve: Varve;
  /** Only reads caches. */
  let store: Store;
  let context: string;
  before(async () => {
    server = stack.use(await startRegistry());
    bucket = stack.use(await startS3());
    varve = stack.use(await Varve.open());
    store = stack.use(await openStore({ root: join(varve.folder, "reader") }));
    const busybox = await readFile("/bin/busybox");
    context = await varve.files("context", { Dockerfile: DOCKERFILE, "bin/busybox": busybox });
  });
  after(() => stack.disposeAsync());

  /** The same place as an export and as an import. */
  interface Place {
    readonly to: CacheSpec;
    readonly from: CacheSpec;
  }
  const places: Readonly<Record<string, (name: string) => Place>> = {
    local: (name) => {
      const at = join(varve.folder, "caches", name);
      return { to: { type: "local", attrs: { dest: at } }, from: { type: "local", attrs: { src: at } } };
    },
    registry: (name) => {
      const spec = { type: "registry", attrs: { ref: `${server.host}/cache:${name}` } };
      return { to: spec, from: spec };
    },
    s3: (name) => {
      const keys = { access_key_id: S3_KEYS.id, secret_access_key: S3_KEYS.secret };
      const at = {
        bucket: "bk",
        region: "us-east-1",
        endpoint_url: bucket.url,
        use_path_style: "true",
        prefix: `${name}/`,
      };
      const spec = { type: "s3", attrs: { ...at, ...keys } };
      return { to: spec, from: spec };
    },
  };
  const textOf = ({ type, attrs }: CacheSpec, more: Readonly<Record<string, string>> = {}): string =>
    [`type=${type}`, ...Object.entries({ ...attrs, ...more }).map(([key, value]) => `${key}=${value}`)].join(",");
  const build = (salt: string): string[] => [
    "build",
    "--progress=rawjson",
    "--network=none",
    "--provenance=false",
    "--output=type=cacheonly",
    "--build-arg",
    `SALT=${salt}`,
    context,
  ];

  /** A build that runs, in a root of its own. */
  interface Started extends AsyncDisposable {
    readonly child: ChildProcess;
    /** Number of steps whose end was reported. */
    readonly ended: () => number;
    kill(): Promise<void>;
  }

  async function start(salt: string, to: CacheSpec): Promise<Started> {
    const own = await Varve.open();
    const child = own.start([...build(salt), "--cache-to", textOf(to, { mode: "max", eager: "true" })]);
    const done = finished(child);
    const names = new Set<string>();
    let rest = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const { vertexes = [] } of lines.filter((line) => line.startsWith("{")).map(parsed))
        for (const { name, completed, error } of vertexes)
          if (completed !== undefined && error === undefined && name.includes("] ")) names.add(name);
    });
    return {
      child,
      ended: () => [...names].filter((name) => /RUN|COPY/.test(name)).length,
      kill: async () => {
        child.kill("SIGKILL");
        await done;
      },
      [Symbol.asyncDispose]: async () => {
        child.kill("SIGKILL");
        await done;
        await own[Symbol.asyncDispose]();
      },
    };
  }

  interface Line {
    readonly vertexes?: readonly { readonly name: string; readonly completed?: string; readonly error?: string }[];
  }
  const parsed = (line: string): Line => JSON.parse(line) as Line;

  /** Number of steps that a place has. */
  async function stepsIn(from: CacheSpec): Promise<number> {
    try {
      return (await listRemoteCache(store, from)).entries.length;
    } catch (error) {
      if (isVarveError(error, "remote", "not-found")) return 0;
      throw error;
    }
  }

  /** Builds as far as the steps that end, elsewhere. */
  async function elsewhere(salt: string, from: CacheSpec): Promise<{ readonly hits: number; readonly stderr: string }> {
    await using own = await Varve.open();
    const args = [...build(salt).slice(2), "--target=made", "--cache-from", textOf(from)];
    const { steps, stderr } = await own.build(args);
    assert.equal(steps.length, STEPS + 1);
    return { hits: steps.filter(({ status }) => status === "hit").length, stderr };
  }

  for (const type of ["local", "registry", "s3"] as const)
    test(`${type}: a build that is killed leaves every step that had ended, while another ran`, async () => {
      const { to, from } = places[type]?.(`waits-${type}`) ?? assert.fail();
      await using started = await start(type, to);
      while ((await stepsIn(from)) < STEPS + 1) {
        assert.equal(started.child.exitCode, null);
        await sleep(100);
      }
      await started.kill();
      const { scopes } = await listRemoteCache(store, from);
      assert.deepEqual(
        scopes.map(({ partial }) => partial),
        [true],
      );
      assert.equal((await elsewhere(type, from)).hits, STEPS + 1);
    });

  test("whenever it is killed, what the document has is usable", async (t) => {
    const kinds = ["local", "registry", "local", "registry", "s3"];
    const lost: string[] = [];
    for (let run = 0; run < generatedRuns(4, 20); run += 1) {
      const type = kinds[run % kinds.length] ?? "local";
      const salt = `random-${run}`;
      const { to, from } = places[type]?.(salt) ?? assert.fail();
      await using started = await start(salt, to);
      while (started.ended() === 0) await sleep(20);
      await sleep(Math.random() * 2_500);
      await started.kill();
      const listed = await stepsIn(from);
      const { hits, stderr } = await elsewhere(salt, from);
      assert.equal(hits, listed, stderr);
      lost.push(`${type} ${started.ended()} - ${hits}`);
    }
    t.diagnostic(`steps that had ended, and those that were found: ${lost.join(", ")}`);
  });

  test("the document is the same in the end", async () => {
    await using own = await Varve.open();
    const earlier = ["build", ...build("earlier").slice(2), "--target=made"];
    const args = [...build("same").slice(2), "--target=made"];
    for (const type of ["local", "registry"] as const) {
      const targets = ["true", "false"].map((eager) => ({ eager, place: places[type]?.(`same-${eager}`) }));
      const flags = targets.flatMap(({ eager, place }) =>
        place === undefined ? [] : ["--cache-to", textOf(place.to, { mode: "max", eager })],
      );
      assert.equal((await own.run([...earlier, ...flags])).code, 0);
      const { metadata } = await own.build(["--no-cache", ...args, ...flags]);
      const [eager, late] = metadata["varve.caches"] as { descriptor: object }[];
      assert.deepEqual(eager?.descriptor, late?.descriptor);
    }
  });
});
