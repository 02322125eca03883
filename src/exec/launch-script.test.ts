import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { type LaunchPlan, launchScript } from "./launch-script.ts";

const ODD = `it's "odd" $HOME \`x\`\n\\n`;
const PLAN: LaunchPlan = {
  tools: { setpriv: "setpriv", unshare: "unshare", shell: "sh" },
  command: ["crun", "run"],
  scratch: "/run/1",
  hiddenMounts: [],
  coveredMounts: [],
  secretDirectory: undefined,
  enterNetwork: [],
  groupFiles: [],
};

/** Runs a script with a program in place of `unshare` that writes its arguments. Returns these. */
async function argumentsOf(plan: LaunchPlan): Promise<string[]> {
  await using directory = await temporaryDirectory();
  const unshare = join(directory.path, "unshare");
  writeFileSync(unshare, '#!/bin/sh\nprintf "%s\\0" "$_LIBCONTAINER_STATEDIR" "$@"\n');
  chmodSync(unshare, 0o755);
  const script = launchScript({ ...plan, tools: { ...plan.tools, unshare } });
  const printed = execFileSync("sh", ["-c", script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
  });
  return printed.split("\0").slice(0, -1);
}

test("a shell passes every path on as it is", async () => {
  const plan = { ...PLAN, scratch: `/run/${ODD}`, command: ["crun", ODD, ""] };
  assert.deepEqual(await argumentsOf(plan), [`/run/${ODD}`, "--mount", "--mount-proc", "crun", ODD, ""]);
  const [, , , shell, flag, inner = ""] = await argumentsOf({ ...plan, hiddenMounts: [`/sys/${ODD}`] });
  assert.deepEqual([shell, flag], ["sh", "-c"]);
  const umount = `umount() { printf "%s\\0" "$@" >&1; exit; }\n`;
  const printed = execFileSync("sh", ["-c", umount + inner.replaceAll(/>&3 2>&3/g, "")], { encoding: "utf8" });
  assert.equal(printed, `-l\0/sys/${ODD}\0`);
});

test("groups are entered after the last command that needs another process", async () => {
  const groupFiles = ["/cg/a/tasks", "/cg/b/tasks"];
  const plain = launchScript({ ...PLAN, groupFiles }).split("\n");
  assert.deepEqual(
    plain.map((line) => line.split(" ")[1]),
    ["_LIBCONTAINER_STATEDIR='/run/1'", "echo", "echo", "'unshare'", undefined],
  );
  const inside = launchScript({ ...PLAN, groupFiles, hiddenMounts: ["/h"], secretDirectory: "/s" });
  const order = ["umount", "mount -t tmpfs", "echo ready", "read -r", "/cg/a/tasks", "/cg/b/tasks", "crun"];
  assert.deepEqual(
    order.map((text) => inside.indexOf(text)),
    order.map((text) => inside.indexOf(text)).toSorted((a, b) => a - b),
  );
  assert.ok(order.every((text) => inside.includes(text)));
});
