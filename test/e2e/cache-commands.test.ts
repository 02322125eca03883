import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { startFaultProxy } from "../../testing/fault-proxy.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable, busyboxImage } from "../../testing/varve.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;

interface Listing {
  readonly entries: readonly { readonly step?: string; readonly here: string; readonly inputs: readonly string[] }[];
  readonly scopes: readonly { readonly scope: string; readonly entries: number; readonly size: number }[];
  readonly size: number;
  readonly configSize?: number;
}

suite("varve cache", { skip }, () => {
  const stack = new AsyncDisposableStack();
  let varve: Varve;
  let registry: RegistryServer;
  let context: string;

  before(async () => {
    varve = stack.use(await Varve.open());
    registry = stack.use(await startRegistry());
    const base = await busyboxImage(varve, `${registry.host}/base:1`);
    assert.equal((await varve.run(["push", base])).code, 0);
    const dockerfile = `FROM ${base}\nWORKDIR /app\nCOPY f ./\nRUN cat f > g\nRUN cat g >> g2\n`;
    context = await varve.files("app", { Dockerfile: dockerfile, f: "f\n" });
    await varve.build(["-o", "type=cacheonly", context]);
  });
  after(() => stack.disposeAsync());

  const STEPS = ["COPY /f /app/", "RUN cat f > g", "RUN cat g >> g2", "mkdir /app"];
  const ref = (tag: string): string => `${registry.host}/cache:${tag}`;
  const run = async (on: Varve, ...args: string[]): Promise<string> => {
    const outcome = await on.run(["cache", ...args]);
    assert.equal(outcome.code, 0, `varve cache ${args.join(" ")}: ${outcome.stderr}`);
    return outcome.stdout;
  };
  const list = async (on: Varve, ...place: string[]): Promise<Listing> =>
    JSON.parse(await run(on, "ls", "--format", "json", ...place)) as Listing;
  const stepsOf = ({ entries }: Listing): string[] => entries.flatMap(({ step }) => step ?? []).sort();
  /** Steps that are not hits of the root's own cache. */
  const ran = async (on: Varve): Promise<string[]> => {
    const { steps } = await on.build(["-o", "type=cacheonly", context]);
    return steps.filter(({ name, cache }) => /^\[\d/.test(name) && cache !== "local").map(({ name }) => name);
  };

  test("ls says which steps a cache would spare, by name, on a machine that knows nothing", async () => {
    await run(varve, "export", "--to", ref("ls"));
    await using other = await Varve.open();
    const listing = await list(other, ref("ls"));
    const [own] = listing.scopes;
    assert.deepEqual(
      stepsOf(listing).filter((step) => STEPS.includes(step)),
      STEPS,
    );
    assert.ok(listing.entries.every(({ here }) => here === "no"));
    assert.deepEqual(listing.entries.find(({ step }) => step === "RUN cat g >> g2")?.inputs, ["RUN cat f > g"]);
    assert.deepEqual([own?.scope, own?.entries, own?.size], ["whole cache", listing.entries.length, listing.size]);
    assert.ok((listing.configSize ?? 0) > 0);
    assert.match(await run(other, "ls", ref("ls")), /RUN cat f > g +1 +\d+ +\S+ +.* +no +127/);
    assert.deepEqual((await list(other)).entries, []);
  });

  test("export is the same bytes when nothing is new, and beside a build's export both scopes stay", async () => {
    const first = await run(varve, "export", "--to", ref("same"));
    assert.equal(await run(varve, "export", "--to", `type=registry,ref=${ref("same")}`), first);
    await varve.build(["--cache-to", `type=registry,ref=${ref("same")},mode=max`, "-o", "type=cacheonly", context]);
    assert.equal((await list(varve, ref("same"))).scopes.length, 2);
  });

  test("import, lazily: later builds hit without --cache-from, and nothing was fetched for it", async () => {
    await run(varve, "export", "--to", ref("lazy"));
    await using proxy = await startFaultProxy({ upstream: registry.host });
    await using other = await Varve.open();
    await run(other, "import", `${proxy.host}/cache:lazy`);
    assert.deepEqual(
      new Set((await list(other, `${proxy.host}/cache:lazy`)).entries.map(({ here }) => here)),
      new Set(["lazy"]),
    );
    assert.deepEqual(await ran(other), []);
    const blobs = proxy.requests.filter(({ url }) => url.includes("/blobs/"));
    assert.equal(new Set(blobs.map(({ url }) => url)).size, 2, "the cache's config, and what it says of its records");
  });

  test("import --fetch: the layers are here; so a registry that is gone does not matter", async () => {
    await run(varve, "export", "--to", ref("fetch"));
    await using other = await Varve.open();
    {
      await using proxy = await startFaultProxy({ upstream: registry.host });
      const name = `${proxy.host}/cache:fetch`;
      await Promise.all([run(other, "import", "--fetch", name), run(other, "import", name)]);
      assert.deepEqual(new Set((await list(other, name)).entries.map(({ here }) => here)), new Set(["yes"]));
    }
    assert.deepEqual(await ran(other), []);
    assert.equal((await other.make([context])).text("app/g2"), "f\n");
  });

  test("layers that are gone when a build needs them are made again", async () => {
    await run(varve, "export", "--to", ref("gone"));
    await using other = await Varve.open();
    {
      await using proxy = await startFaultProxy({ upstream: registry.host });
      await run(other, "import", `${proxy.host}/cache:gone`);
    }
    const out = join(other.folder, "out");
    await other.build(["-o", `type=local,dest=${out}`, context]);
    assert.equal(await readFile(join(out, "app/g2"), "utf8"), "f\n");
  });

  test("a directory does as well, and is pruned", async () => {
    const at = join(varve.folder, "cache-directory");
    await run(varve, "export", "--to", at);
    await run(varve, "export", "--to", `type=local,dest=${at},scope=other`);
    await using other = await Varve.open();
    assert.deepEqual(
      (await list(other, at)).scopes.map(({ scope }) => scope),
      ["other", "whole cache"],
    );
    const pruned = await run(varve, "prune", "--target", at, "--keep-scope", "other", "--format", "json");
    assert.equal((JSON.parse(pruned) as { generations: number }).generations, 1);
    assert.deepEqual(
      (await list(other, at)).scopes.map(({ scope }) => scope),
      ["other"],
    );
    await run(other, "import", at);
    assert.deepEqual(await ran(other), []);
    await run(varve, "prune", "--target", at, "--keep-duration", "0");
    assert.equal((await other.run(["cache", "ls", at])).code, 4);
  });

  test("a registry's cache is pruned", async () => {
    await run(varve, "export", "--to", `${registry.host}/pruned:1`);
    await run(varve, "prune", "--target", `${registry.host}/pruned:1`);
    assert.equal((await list(varve, `${registry.host}/pruned:1`)).scopes.length, 1);
    await run(varve, "prune", "--target", `${registry.host}/pruned:1`, "--keep-duration", "0", "--delete-blobs");
    assert.equal((await varve.run(["cache", "prune", "--target", `${registry.host}/pruned:1`])).code, 4);
  });

  test("exit codes, and help with an example for each", async () => {
    for (const [args, code] of [
      [[], 2],
      [["frobnicate"], 2],
      [["export"], 2],
      [["import"], 2],
      [["prune"], 2],
      [["prune", "--target", ref("x"), "--keep-generations", "0"], 2],
      [["ls", "type=s3,bucket=b"], 2],
      [["ls", "a", "b"], 2],
      [["export", "--to", ref("x"), "--mode", "all"], 2],
      [["ls", ref("none")], 4],
      [["import", ref("none")], 4],
      [["ls", "/nowhere/at/all"], 4],
      [["export", "--to", "127.0.0.1:1/cache:1"], 4],
    ] as const) {
      const outcome = await varve.run(["cache", ...args]);
      assert.equal(outcome.code, code, `varve cache ${args.join(" ")}: ${outcome.stderr}`);
    }
    for (const name of ["ls", "export", "import", "prune"])
      assert.match(
        await run(varve, name, "--help"),
        new RegExp(`Usage: varve cache ${name}.*Example: varve cache ${name}`, "s"),
      );
  });
});
