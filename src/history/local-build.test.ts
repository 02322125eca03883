import assert from "node:assert/strict";
import { test } from "node:test";
import { buildFixture } from "../../testing/builds.ts";
import { recordsMissing } from "../../testing/records.ts";
import { VarveError } from "../core/index.ts";
import { collect } from "../io/index.ts";
import { BuildHistory } from "./build-history.ts";
import { LocalBuild } from "./local-build.ts";

const skip = recordsMissing() ?? false;

test(
  "a build of this process is recorded, with the documents of its image and without its layers",
  { skip },
  async () => {
    await using fixture = await buildFixture();
    const path = await fixture.files("c", { Dockerfile: "FROM scratch AS one\nCOPY f /\n", f: "f" });
    const settings = {
      context: { kind: "directory", path },
      tags: ["app:1"],
      target: "one",
      buildArgs: { A: "1" },
      noCache: ["two"],
    } as const;
    for (const cached of [false, true]) {
      const build = new LocalBuild(settings);
      build.start(fixture.store);
      const result = await fixture.build(path, { ...settings, onEvent: (event) => build.event(event) });
      const record = await build.succeeded(fixture.store, result);
      assert.ok(record !== undefined);
      assert.equal(record.ref, build.ref);
      assert.equal(record.steps.cached > 0, cached);
      assert.ok(record.steps.completed <= record.steps.total && record.steps.completed > 0);
      assert.deepEqual(Object.fromEntries(record.attributes), {
        context: path,
        target: "one",
        "build-arg:A": "1",
        "no-cache": "two",
      });
      assert.deepEqual([...(record.exporters[0]?.attributes ?? [])], [["name", "app:1"]]);
      assert.equal(record.result?.exports.get(0)?.digest, result.digest);
    }
    const history = new BuildHistory(fixture.store.state);
    assert.equal(history.list().length, 2);
    const blobs = [...history.blobs.walk()];
    assert.equal(blobs.length, 6, "manifest and config, and of each build its status and its trace");
    for (const { logs, trace } of history.list()) {
      assert.ok(logs !== undefined && trace !== undefined);
      const status = await collect(history.blobs.open(logs.digest), 1e6, { what: "a status" });
      assert.match(status.toString(), /COPY f \//);
    }
    for (const { digest, size } of blobs)
      assert.equal((await collect(history.blobs.open(digest), 1e6, { what: "a blob" })).length, size);
  },
);

test("a failed build and a cancelled one are recorded", { skip }, async () => {
  await using fixture = await buildFixture();
  const history = new BuildHistory(fixture.store.state);
  const events = history.listen({});
  const fail = async (error: Error): Promise<void> => {
    const build = new LocalBuild({ context: { kind: "empty" } });
    build.start(fixture.store);
    const { value } = await events.next();
    assert.ok(value?.kind === "started" && value.record.ref === build.ref, "a listener hears of it while it runs");
    await build.failed(error);
    assert.equal((await events.next()).value?.kind, "completed");
  };
  await fail(new Error("broken"));
  await fail(new VarveError("cancelled", "Cannot go on: interrupted"));
  const errors = (status: string): (string | undefined)[] =>
    history.list({ filters: [`status==${status}`] }).map(({ error }) => error?.message);
  assert.deepEqual(errors("error"), ["broken"]);
  assert.deepEqual(errors("canceled"), ["context canceled"]);
});
