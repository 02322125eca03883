/** A process that takes the copy of a context, writes into it, says where, and waits until it is killed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryRecords } from "./records.ts";

const [root = "", key = ""] = process.argv.slice(2);
const fixture = await temporaryRecords({ root });
const copy = await fixture.contextCopies.acquire({ key, name: "context" });
writeFileSync(join(copy.path, "half"), "");
process.stdout.write(copy.path);
for await (const _chunk of process.stdin);
