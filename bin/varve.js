#!/usr/bin/env node
// Starts the command: compiled if this is an installed package, from the sources in a checkout. In a checkout, an older Node
// on the PATH hands over to the one that npm installed beside it.
const { existsSync } = require("node:fs");
const module_ = require("node:module");
const { join } = require("node:path");

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 24 || (major === 24 && minor >= 12)) void run();
else handOver();

/** Lets a running server execute the command line; loads the builder only if there is none. */
async function run() {
  module_.enableCompileCache();
  const compiled = join(__dirname, "../dist/command");
  const isCompiled = existsSync(compiled);
  const { forwardCommand } = isCompiled
    ? require(join(compiled, "forward.cjs"))
    : await import("../src/cli/forward/client.ts");
  const code = await forwardCommand(process.argv.slice(2));
  // Standard input may still be open.
  if (code !== undefined) process.exit(code);
  if (process.getuid() !== 0) {
    const { enterForCommand } = isCompiled ? require(join(compiled, "enter.cjs")) : await import("../src/cli/enter.ts");
    const program = [process.execPath, ...process.execArgv, __filename];
    const entered = await enterForCommand(program, process.argv.slice(2));
    if (entered !== undefined) process.exit(entered);
  }
  if (isCompiled) require(join(compiled, "main.cjs"));
  else await import("../src/cli/main.ts");
}

/** Runs the command with the Node of this checkout. */
function handOver() {
  const own = join(__dirname, "../node_modules/node/bin/node");
  if (existsSync(own)) {
    const { spawnSync } = require("node:child_process");
    process.exitCode = spawnSync(own, process.argv.slice(1), { stdio: "inherit" }).status ?? 6;
    return;
  }
  console.error(`varve needs Node 24.12 or newer; this is ${process.version}`);
  process.exitCode = 5;
}
