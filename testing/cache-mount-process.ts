/** A process that takes a cache mount, says so, and holds it until its standard input ends or it is killed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CacheSharing } from "../src/record/index.ts";
import { temporaryRecords } from "./records.ts";

const [root = "", key = "", sharing = "shared", mark = ""] = process.argv.slice(2);
const fixture = await temporaryRecords({ root });
{
  await using mount = await fixture.cacheMounts.acquire(
    { key, sharing: sharing as CacheSharing, description: "test" },
    fixture.hold,
  );
  writeFileSync(join(mount.path, mark), mark);
  console.log(mount.path);
  for await (const _chunk of process.stdin);
}
await fixture[Symbol.asyncDispose]();
