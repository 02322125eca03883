import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { storeFacts } from "../../testing/store-facts.ts";
import { Varve, buildsUnavailable, busyboxImage } from "../../testing/varve.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;

describe("images: moved, named, looked at, removed", { skip }, () => {
  let varve: Varve;
  let registry: RegistryServer;
  let name: string;

  before(async () => {
    varve = await Varve.open();
    registry = await startRegistry();
    const base = await busyboxImage(varve);
    name = `${registry.host}/team/app:1`;
    const dockerfile = `FROM ${base}\nCOPY f /f\nRUN echo ran > /ran\nENV A=1\nLABEL of=test\n`;
    await varve.build(["-t", name, await varve.files("app", { Dockerfile: dockerfile, f: "f" })]);
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    await varve?.[Symbol.asyncDispose]();
  });

  const run = async (on: Varve, ...args: string[]): Promise<string> => {
    const outcome = await on.run(args);
    assert.equal(outcome.code, 0, `varve ${args.join(" ")}: ${outcome.stderr}`);
    return outcome.stdout;
  };
  const json = async <T>(on: Varve, ...args: string[]): Promise<T> =>
    JSON.parse(await run(on, ...args, "--format", "json")) as T;

  test("push, pull elsewhere, build on it there with nothing fetched twice", async () => {
    const digest = (await run(varve, "push", "-q", name)).trim();
    await using other = await Varve.open();
    assert.equal((await run(other, "pull", "-q", name)).trim(), digest);
    const foreign = await other.run(["pull", "--platform", "linux/sparc", "-q", name]);
    assert.deepEqual([foreign.code, foreign.stdout.trim()], [0, digest]);
    assert.match(foreign.stderr, /warning: .*\/team\/app:1 is for linux\/\w+, not for linux\/sparc/i);
    const nothing = await other.run(["pull", "--platform", "foobar", name]);
    assert.match(nothing.stderr, /Cannot read platform "foobar": unknown operating system or architecture/);
    assert.equal(nothing.code, 2);
    const [image] = await json<{ name: string; digest: string; size: number }[]>(other, "images");
    assert.equal(image?.digest, digest);
    const folder = await other.files("on-top", { Dockerfile: `FROM ${name}\nRUN cat /f /ran > /both\n` });
    assert.equal((await other.make([folder])).text("both"), "fran\n");
    const byDigest = await other.files("pinned", {
      Dockerfile: `FROM ${registry.host}/team/app@${digest}\nRUN cat /f\n`,
    });
    await other.build(["-o", "type=cacheonly", byDigest]);
  });

  test("build pulls what it needs, lazily, and pushes what it made", async () => {
    await run(varve, "push", name);
    await using other = await Varve.open();
    const folder = await other.files("derived", { Dockerfile: `FROM ${name}\nCOPY g /g\n`, g: "g" });
    const derived = `${registry.host}/team/derived:2`;
    const built = await other.build(["-t", derived, "--push", folder]);
    assert.equal((await run(varve, "pull", "-q", derived)).trim(), built.metadata["containerimage.digest"]);
    const made = await varve.make([
      await varve.files("check", { Dockerfile: `FROM ${derived}\nRUN cat /f /g > /h\n` }),
    ]);
    assert.equal(made.text("h"), "fg");
  });

  test("a digest that is not the image's, a name that is not there, a registry that is not there", async () => {
    const pinned = await varve.tryBuild([
      await varve.files("other-digest", { Dockerfile: `FROM ${name}@sha256:${"1".repeat(64)}\nRUN x\n` }),
    ]);
    assert.notEqual(pinned.code, 0);
    assert.doesNotMatch(pinned.stderr, /bug in varve/);
    const absent = await varve.run(["pull", `${registry.host}/no/such:1`]);
    assert.ok(absent.code === 3 || absent.code === 4, absent.stderr);
    assert.match(absent.stderr, /no\/such/);
    const nobody = await varve.run(["pull", "127.0.0.1:1/no/such:1"]);
    assert.equal(nobody.code, 4, nobody.stderr);
    const unknown = await varve.run(["push", "varve.test/never-built"]);
    assert.equal(unknown.code, 3, unknown.stderr);
    assert.deepEqual((await storeFacts(varve.root)).leftovers, []);
  });

  test("tag, images, inspect, history, rmi", async () => {
    await run(varve, "tag", name, "varve.test/other:2");
    const images = await json<{ name: string; id: string; digest: string }[]>(varve, "images");
    const [first, second] = [name, "varve.test/other:2"].map((each) => images.find((image) => image.name === each));
    assert.ok(first !== undefined);
    assert.equal(first.digest, second?.digest);
    const [inspected] = JSON.parse(await run(varve, "inspect", "varve.test/other:2")) as {
      Id: string;
      Config: { Env: string[]; Labels: object };
      RootFS: { Layers: string[] };
    }[];
    assert.equal(inspected?.Id, first.id);
    assert.ok(inspected?.Config.Env.includes("A=1"));
    assert.deepEqual(inspected?.Config.Labels, { of: "test" });
    const history = await json<{ createdBy: string; size: number }[]>(varve, "history", name);
    assert.ok(history.some((line) => line.createdBy.startsWith("RUN /bin/sh -c echo ran > /ran")));
    const builds = await json<{ status: string; digests: string[]; attributes: object }[]>(varve, "history", "builds");
    const completed = builds.filter(({ status }) => status === "completed");
    assert.ok(completed.some(({ digests, attributes }) => digests.length === 1 && "context" in attributes));
    assert.match(
      await run(varve, "history", "builds", "--filter", "status==completed"),
      /^BUILD ID .* app +completed /s,
    );
    assert.equal(await run(varve, "history", "builds", "--filter", "ref==none"), "");
    assert.match(await run(varve, "images"), /REPOSITORY\s+TAG/);
    assert.match(await run(varve, "rmi", "varve.test/other:2"), /Untagged/);
    assert.equal((await varve.run(["inspect", "varve.test/other:2"])).code, 3);
    assert.equal((await varve.run(["rmi", "varve.test/other:2"])).code, 3);
    assert.equal((await varve.run(["tag", name, "Not A Name"])).code, 2);
  });

  for (const format of ["docker", "oci"] as const) {
    test(`save and load, as ${format}`, async () => {
      const archive = join(varve.folder, `${format}.tar`);
      await run(varve, "save", "--format", format, "-o", archive, name);
      await using other = await Varve.open();
      assert.match(await run(other, "load", "-i", archive), /Loaded image/);
      const [before] = JSON.parse(await run(varve, "inspect", name)) as { Id: string; RootFS: object }[];
      const [after] = JSON.parse(await run(other, "inspect", name)) as { Id: string; RootFS: object }[];
      assert.deepEqual([after?.Id, after?.RootFS], [before?.Id, before?.RootFS]);
      const folder = await other.files("use", { Dockerfile: `FROM ${name}\nRUN cat /ran > /again\n` });
      assert.equal((await other.make([folder])).text("again"), "ran\n");
      const piped = await other.run(["load"], { input: await readFile(archive) });
      assert.equal(piped.code, 0, piped.stderr);
    });
  }

  test("load of what is no archive, cut short, or not there", async () => {
    const archive = join(varve.folder, "whole.tar");
    await run(varve, "save", "-o", archive, name);
    const bytes = await readFile(archive);
    for (const input of [Buffer.from("not an archive"), Buffer.alloc(0), bytes.subarray(0, bytes.length / 2)]) {
      await using other = await Varve.open();
      const outcome = await other.run(["load"], { input });
      assert.ok([3, 4].includes(outcome.code ?? 0), `${outcome.code} ${outcome.stderr}`);
      assert.doesNotMatch(outcome.stderr, /bug in varve/);
      const facts = await storeFacts(other.root);
      assert.deepEqual([facts.images, facts.leftovers], [[], []]);
    }
    const absent = await varve.run(["load", "-i", join(varve.folder, "nothing.tar")]);
    assert.equal(absent.code, 2, absent.stderr);
    assert.doesNotMatch(absent.stderr, /bug in varve/);
  });

  test("du and prune agree", async () => {
    const usages = await json<{ id: string; size: number; inUse: boolean; shared: boolean }[]>(varve, "du");
    assert.ok(usages.length > 3);
    assert.match(await run(varve, "du"), /Total:/);
    const pruned = await json<{ records: { id: string }[]; reclaimed: number }>(varve, "prune");
    const left = await json<{ id: string }[]>(varve, "du");
    const gone = new Set(pruned.records.map((record) => record.id));
    assert.deepEqual(
      left.map((usage) => usage.id).toSorted(),
      usages
        .map((usage) => usage.id)
        .filter((id) => !gone.has(id))
        .toSorted(),
    );
    assert.equal((await varve.run(["prune", "--filter", "nonsense~~x"])).code, 2);
    await run(varve, "inspect", name);
  });

  test("version, help, and what no command is", async () => {
    assert.match(await run(varve, "version"), /^varve \d+\.\d+\.\d+ /);
    assert.match(await run(varve, "--help"), /Usage: varve/);
    const commands = [
      "build",
      "pull",
      "push",
      "tag",
      "images",
      "rmi",
      "inspect",
      "history",
      "save",
      "load",
      "du",
      "prune",
    ];
    const helps = await Promise.all(commands.map((command) => run(varve, command, "--help")));
    for (const [index, help] of helps.entries()) assert.ok(help.startsWith(`Usage: varve ${commands[index]}`), help);
    assert.equal((await varve.run([])).code, 2);
    assert.equal((await varve.run(["frob"])).code, 2);
    assert.equal((await varve.run(["images", "--frob"])).code, 2);
    assert.equal((await varve.run(["inspect"])).code, 2);
    assert.equal((await varve.run(["images", "--format", "xml"])).code, 2);
  });
});
