import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const MEBIBYTE = 1_048_576;

/** Returns the bytes in which a program keeps buffers among its small allocations, after it has freed some of a mebibyte. */
function heapAfterFreeing(prepare: string): number {
  const malloc = fileURLToPath(new URL("malloc.ts", import.meta.url));
  const script = `
    import { readFileSync } from "node:fs";
    import { returnLargeBuffers } from ${JSON.stringify(malloc)};
    ${prepare}
    const fill = () => Array.from({ length: 32 }, () => new ArrayBuffer(${MEBIBYTE}));
    for (let buffers = fill(), round = 0; round < 3; round += 1) {
      buffers = undefined;
      gc();
      await new Promise((resolve) => setImmediate(resolve));
      buffers = fill();
      globalThis.kept = buffers;
    }
    const [heap = ""] = readFileSync("/proc/self/smaps", "latin1").split(/\\n(?=[0-9a-f]+-[0-9a-f]+ )/).filter((part) => part.includes("[heap]"));
    console.log(Number(/^Size: +(\\d+) kB$/m.exec(heap)?.[1] ?? 0) * 1024);
  `;
  return Number(
    execFileSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", script], { encoding: "utf8" }),
  );
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node's documentation of reports
const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };

test("large buffers do not move in among the small ones", { skip: header.glibcVersionRuntime === undefined }, () => {
  assert.ok(heapAfterFreeing("") > 16 * MEBIBYTE, "this C library does not do what the function is for");
  assert.ok(heapAfterFreeing("returnLargeBuffers();") < 16 * MEBIBYTE);
});
