import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

/** A graph of stages that run `command` and share a directory. The last stage needs them all. */
function stages(count: number, command: string): string {
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const run = (name: string): string =>
    `FROM ${base} AS ${name}\nRUN --mount=type=cache,target=/shared NAME=${name}; ${command}\n`;
  const copies = names.map((name) => `COPY --from=${name} /bin/busybox /${name}\n`);
  return `${names.map(run).join("")}FROM ${base}\n${copies.join("")}`;
}

describe("parallel steps", { skip }, () => {
  test("more steps than processors run at once", async () => {
    const count = availableParallelism() + 6;
    // Each step ends when all of them have begun.
    const meet = `touch /shared/$NAME; until [ $(ls /shared | wc -l) -ge ${count} ]; do sleep 0.02; done`;
    await varve.build(["--no-cache", await varve.context("meet", stages(count, meet))]);
  });

  test("--max-parallelism and varve.json limit how many run at once", async () => {
    // Fails if another step holds the directory.
    const alone = "mkdir /shared/alone && sleep 0.05 && rmdir /shared/alone";
    const folder = await varve.context("alone", stages(4, alone));
    await varve.build(["--no-cache", "--max-parallelism", "1", folder]);
    const config = join(varve.folder, "one.json");
    await writeFile(config, '{"maxParallelism":1}');
    const configured = await varve.run(["--config", config, "build", "--no-cache", folder]);
    assert.equal(configured.code, 0, configured.stderr);
    const refused = await varve.run(["build", "--max-parallelism", "many", folder]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /Cannot limit parallelism to "many"/);
  });
});
