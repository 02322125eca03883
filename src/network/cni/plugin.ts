import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { VarveError, messageOf, parseJson } from "../../core/index.ts";
import type { CniConfig } from "./config.ts";

/** Milliseconds for one plugin. */
const DEADLINE = 60_000;
const MAX_OUTPUT = 1024 * 1024;
const INTERFACE = "eth0";

/** A network that plugins make for one namespace. */
export interface CniAttachment {
  /** Unique on the machine. */
  readonly id: string;
  readonly hostname?: string | undefined;
  /** What the last plugin has answered. */
  readonly result?: unknown;
}

/** Runs the plugins of a configuration. */
export interface CniPlugins {
  readonly config: CniConfig;
  readonly binaryPath: string;
}

/**
 * Makes a network in a namespace. `path` names the namespace. Returns the attachment with what the last plugin answers. After a failure, the
 * caller removes what was made.
 *
 * @throws {VarveError} `unsupported` if a plugin is missing or fails.
 */
export async function addNetwork(plugins: CniPlugins, attachment: CniAttachment, path: string): Promise<CniAttachment> {
  let result: unknown;
  for (const { type, fields } of plugins.config.plugins)
    result = await runPlugin(plugins, type, { command: "ADD", attachment, path, fields, result });
  return { ...attachment, result };
}

/** Removes a network. `path` is empty if the namespace is gone. Each plugin has its turn, whatever the others do. */
export async function removeNetwork(plugins: CniPlugins, attachment: CniAttachment, path: string): Promise<void> {
  const { result } = attachment;
  for (const { type, fields } of plugins.config.plugins.toReversed())
    await runPlugin(plugins, type, { command: "DEL", attachment, path, fields, result }).catch(() => undefined);
}

interface Call {
  readonly command: "ADD" | "DEL";
  readonly attachment: CniAttachment;
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** What the plugin before has answered. */
  readonly result: unknown;
}

async function runPlugin({ config, binaryPath }: CniPlugins, type: string, call: Call): Promise<unknown> {
  const { command, attachment, path, fields, result } = call;
  const { hostname } = attachment;
  const program = join(binaryPath, type);
  const fail = (why: string, cause?: unknown): never => {
    throw new VarveError("unsupported", `Cannot make the network of a step: plugin ${program} failed: ${why}`, {
      cause,
    });
  };
  const child = spawn(program, {
    cwd: "/",
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      CNI_COMMAND: command,
      CNI_CONTAINERID: attachment.id,
      CNI_NETNS: path,
      CNI_IFNAME: INTERFACE,
      CNI_PATH: binaryPath,
      ...(hostname !== undefined && { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAME=${hostname}` }),
    },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: DEADLINE,
    killSignal: "SIGKILL",
  });
  const input = { ...fields, name: config.name, cniVersion: config.cniVersion };
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify(result === undefined ? input : { ...input, prevResult: result }));
  const ended = endOf(child);
  const output = collect(child.stdout);
  const errors = collect(child.stderr);
  try {
    const { code, signal } = await ended;
    const text = await output;
    if (code === 0)
      return text.trim() === "" ? result : parseJson(text, `the answer of ${program}`, { code: "unsupported" }).raw;
    return fail(problemOf(text) ?? ((await errors).trim().slice(0, 500) || (signal ?? `exit code ${code}`)));
  } catch (error) {
    if (error instanceof VarveError) throw error;
    return fail(messageOf(error), error);
  }
}

function endOf(child: ChildProcess): Promise<{ readonly code: number | null; readonly signal: string | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: string | null }>();
  child.once("close", (code, signal) => resolve({ code, signal }));
  child.once("error", reject);
  return promise;
}

async function collect(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size <= MAX_OUTPUT) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Returns the message of a plugin's error. */
function problemOf(text: string): string | undefined {
  try {
    const json = parseJson(text, "an error of a plugin").requiredObject();
    const parts = [json.string("msg"), json.string("details")].filter((part) => part !== undefined && part !== "");
    return parts.length === 0 ? undefined : parts.join(": ").slice(0, 1000);
  } catch {
    return undefined;
  }
}
