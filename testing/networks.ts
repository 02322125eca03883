import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { NetworkSettings } from "../src/network/index.ts";
import { createNetworkNamespace, hasCapability, isRootUser } from "../src/linux/index.ts";

/** Why bridges cannot be made here, for `skip` of a test; false if they can. `programs` have to be installed besides. */
export function bridgesUnavailable(...programs: readonly string[]): string | false {
  if (!isRootUser() || !hasCapability("sys_admin") || !hasCapability("net_admin")) return "only root can make networks";
  const needed = ["ip", "nsenter", "iptables", ...programs];
  const missing = needed.filter((program) => spawnSync("which", [program]).status !== 0);
  if (missing.length > 0) return `${missing.join(", ")} not installed`;
  using place = new NetworkPlace();
  const tries = [
    ["ip", "link", "add", "b0", "type", "bridge"],
    ["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"],
    ["iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE"],
  ];
  for (const line of tries)
    if (place.try(line).status !== 0) return `the kernel cannot do ${line.slice(0, 5).join(" ")}`;
  return false;
}

/** A network namespace in place of the machine's, so that no test changes the machine. */
export class NetworkPlace implements Disposable {
  readonly #namespace = createNetworkNamespace();

  /** What runs a command in it. */
  get wrapper(): readonly string[] {
    return ["nsenter", `--net=/proc/${process.pid}/fd/${this.#namespace}`, "--"];
  }

  try(command: readonly string[]): ReturnType<typeof spawnSync> {
    const [program = "", ...args] = [...this.wrapper, ...command];
    return spawnSync(program, args, { encoding: "utf8" });
  }

  /** Runs a command; throws if it fails. */
  run(...command: readonly string[]): string {
    const [program = "", ...args] = [...this.wrapper, ...command];
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Opens networks in a process of its own. */
  async open(settings: NetworkSettings, directory: string, steps: number): Promise<NetworkProcess> {
    const args = [
      ...this.wrapper.slice(1),
      process.execPath,
      fileURLToPath(new URL("network-process.ts", import.meta.url)),
      JSON.stringify(settings),
      directory,
      String(steps),
    ];
    const child = spawn("nsenter", args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => void (errors += chunk.toString()));
    for await (const chunk of child.stdout) {
      output += String(chunk);
      if (output.endsWith("ready\n")) return { child, steps: output.trim().split("\n").slice(0, -1) };
    }
    throw new Error(errors);
  }

  [Symbol.dispose](): void {
    closeSync(this.#namespace);
  }
}

/** A process that has networks. */
export interface NetworkProcess {
  readonly child: ChildProcess;
  /** Path and identity of each step's namespace. */
  readonly steps: readonly string[];
}

/** Runs a command in the network of a step. */
export function inStep(step: string, ...command: readonly string[]): string {
  const [path = ""] = step.split(" ");
  return execFileSync("nsenter", [`--net=${path}`, "--", ...command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Ends a process with networks, in good order or by a kill, and waits for it. */
export async function end({ child }: NetworkProcess, how: "quit" | "kill"): Promise<void> {
  const gone = once(child, "close");
  if (how === "kill") child.kill("SIGKILL");
  else child.stdin?.end();
  child.stdout?.resume();
  await gone;
}
