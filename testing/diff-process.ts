import { type ChildProcess, spawn } from "node:child_process";
import type { RecordId } from "../src/record/index.ts";

/**
 * Starts another process that computes the diff pairs of a record in a root of overlays, as zstd. It says "ready", waits
 * for a line and prints the pairs; or, with `dies`, is killed as soon as the first blob is in the store.
 */
export function startDiff(root: string, id: RecordId, dies = false): ChildProcess {
  const records = JSON.stringify(new URL("records.ts", import.meta.url).href);
  const script = `
    import { once } from "node:events";
    import { temporaryRecords } from ${records};
    const [root, id, dies] = process.argv.slice(1);
    await using fixture = await temporaryRecords({ root, driver: "overlay" });
    const put = fixture.content.put.bind(fixture.content);
    if (dies === "true")
      fixture.content.put = async (...args) => {
        await put(...args);
        process.kill(process.pid, "SIGKILL");
      };
    console.log("ready");
    await once(process.stdin, "data");
    console.log(JSON.stringify(await fixture.records.diffPairs(id, { compression: "zstd" }, fixture.hold)));
    process.stdin.destroy();`;
  const args = ["--input-type=module-typescript", "-e", script, root, id, String(dies)];
  return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
}
