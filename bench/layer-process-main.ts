/** Does one piece of the layer engine's work in this process, as a command would, and prints what it took as JSON. */
import module from "node:module";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import type { Digest } from "../src/core/index.ts";

/** Idle, the clock shows what the machine itself keeps a process waiting. */
const IDLE = 3000;

module.enableCompileCache();
const { createBlob, unpackBlob } = await import("./layer-work.ts");
const [kind, from = "", out = "", diffId = ""] = process.argv.slice(2);
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
if (kind === "create") await createBlob(from, out);
else if (kind === "unpack") await unpackBlob(from, out, diffId as Digest);
else await setTimeout(IDLE);
delay.disable();
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
const cpu = (userCPUTime + systemCPUTime) / 1e6;
console.log(JSON.stringify({ stall: delay.max / 1e6, peak: maxRSS * 1024, cpu }));
