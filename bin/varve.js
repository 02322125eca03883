#!/usr/bin/env node
// Starts the command: compiled if this is an installed package, from the sources in a checkout. In a checkout, an older Node
// on the PATH hands over to the one that npm installed beside it.
import { existsSync } from "node:fs";
import module from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 24 || (major === 24 && minor >= 12)) {
  module.enableCompileCache();
  const compiled = new URL("../dist/command/start.js", import.meta.url);
  const start = existsSync(compiled) ? compiled : new URL("../src/cli/start.ts", import.meta.url);
  await import(start.href);
} else await handOver();

/** Runs the command with the Node of this checkout. */
async function handOver() {
  const { spawnSync } = await import("node:child_process");
  const { fileURLToPath } = await import("node:url");
  const own = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
  if (existsSync(own)) {
    process.exitCode = spawnSync(own, process.argv.slice(1), { stdio: "inherit" }).status ?? 6;
    return;
  }
  console.error(`varve needs Node 24.12 or newer; this is ${process.version}`);
  process.exitCode = 5;
}
