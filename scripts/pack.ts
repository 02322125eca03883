/**
 * Makes the package as it is published: compiles the sources, checks what came out with publint, and packs it. Prints the
 * tarball's path; `npm publish` takes that.
 */
import { mkdirSync } from "node:fs";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { packPackage, stagePackage } from "./lib/package.ts";

const STAGED = ".cache/package";

mkdirSync(".cache", { recursive: true });
await stagePackage(STAGED);
const { messages, pkg } = await publint({ pkgDir: STAGED, strict: true });
for (const message of messages) console.error(formatMessage(message, pkg));
if (messages.length > 0) process.exitCode = 1;
else console.log(packPackage(STAGED, ".cache"));
