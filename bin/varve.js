#!/usr/bin/env node
// Starts the command: compiled if this is an installed package, from the sources in a checkout. In a checkout, an older Node
// on the PATH hands over to the one that npm installed beside it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const own = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));

if (major > 24 || (major === 24 && minor >= 12)) {
  module.enableCompileCache();
  const compiled = new URL("../dist/command/main.js", import.meta.url);
  const main = existsSync(compiled) ? compiled : new URL("../src/cli/main.ts", import.meta.url);
  await import(main.href);
} else if (existsSync(own)) {
  process.exitCode = spawnSync(own, process.argv.slice(1), { stdio: "inherit" }).status ?? 6;
} else {
  console.error(`varve needs Node 24.12 or newer; this is ${process.version}`);
  process.exitCode = 5;
}
