import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

const SPECIFICATION = `
cdiVersion: "0.6.0"
kind: vendor.com/gpu
devices:
- name: "0"
  annotations:
    org.mobyproject.buildkit.device.autoallow: true
  containerEdits:
    env: [GPU=zero]
    deviceNodes:
    - {path: /dev/gpu0, hostPath: /dev/zero}
- name: "1"
  annotations:
    org.mobyproject.buildkit.device.class: fast
  containerEdits:
    env: [GPU=one]
`;

describe("devices", { skip }, () => {
  test("RUN --device gives a step what the machine's specifications say, if the build may have it", async () => {
    const directory = join(varve.folder, "cdi");
    await mkdir(directory);
    await writeFile(join(directory, "vendor.yaml"), SPECIFICATION);
    await writeFile(join(varve.root, "varve.json"), JSON.stringify({ devices: { directories: [directory] } }));
    const open = await varve.context(
      "open",
      `FROM ${base}
RUN --device=vendor.com/gpu,required --device=none.com/none=x head -c 2 /dev/gpu0 | wc -c > /count && echo $GPU > /gpu
RUN test ! -e /dev/gpu0 && echo "[$GPU]" > /without
`,
    );
    const made = await varve.make([open]);
    assert.deepEqual([made.text("count"), made.text("gpu"), made.text("without")], ["2\n", "zero\n", "[]\n"]);
    assert.equal(
      [...made.files.keys()].some((path) => path.startsWith("dev/")),
      false,
    );
    const closed = await varve.context("closed", `FROM ${base}\nRUN --device=fast echo $GPU > /gpu\n`);
    const refused = await varve.tryBuild([closed]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /device vendor\.com\/gpu=1 is requested by the build but not allowed/);
    assert.match(refused.stderr, /--allow device=vendor\.com\/gpu=1/);
    assert.equal((await varve.make(["--allow", "device=vendor.com/gpu=1", closed])).text("gpu"), "one\n");
    const missing = await varve.context("missing", `FROM ${base}\nRUN --device=none.com/none=x,required true\n`);
    const failed = await varve.tryBuild(["--allow", "device", missing]);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /required device "none\.com\/none=x" is not registered/);
  });
});
