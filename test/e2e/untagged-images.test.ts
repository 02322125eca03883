import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { test } from "node:test";
import { ClassicFixture, copy, env } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { Varve } from "../../testing/varve.ts";

test(
  "images without names are listed, found by id, named, removed and pruned",
  { skip: recordsMissing() ?? false },
  async () => {
    await using varve = await Varve.open();
    await mkdir(varve.root, { recursive: true });
    await using fixture = await ClassicFixture.open(varve.root);
    const steps = [env({ A: "1" }), copy("f", "1"), env({ B: "2" })];
    const { image, ids } = await fixture.build(steps);
    const short = (id: string | undefined): string => (id ?? "").slice(7, 19);
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await varve.run(args);
      assert.equal(code, 0, stderr);
      return stdout;
    };

    assert.equal(await run("images", "-q"), `${image.id}\n`);
    assert.equal((await run("images", "-q", "--all")).trim(), ids.toReversed().join("\n"));
    assert.match(await run("images"), new RegExp(`<none> +<none> +${short(image.id)}`));
    const history = await run("history", short(image.id));
    for (const id of ids) assert.match(history, new RegExp(`^${short(id)} `, "m"));

    await run("tag", image.id, "varve.test/app:1");
    await run("tag", short(image.id), "varve.test/app:2");
    assert.match(await run("inspect", image.id), /varve\.test\/app:2/);
    assert.equal((await varve.run(["rmi", image.id])).code, 5);
    assert.equal((await varve.run(["rmi", ids[0] ?? "", "--force"])).code, 5);
    assert.equal(await run("rmi", "varve.test/app:2"), "Untagged: varve.test/app:2\n");
    assert.equal(
      await run("rmi", "--no-prune", "varve.test/app:1"),
      `Untagged: varve.test/app:1\nDeleted: ${image.id}\n`,
    );
    assert.equal(await run("images", "-q"), `${ids[1]}\n`);
    const pruned = await run("prune", "--images");
    for (const id of ids.slice(0, 2)) assert.match(pruned, new RegExp(id));
    assert.equal(await run("images", "-q", "--all"), "");
    assert.equal(fixture.store.content.info(image.manifest.digest), undefined);
  },
);
