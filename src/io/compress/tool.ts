import { spawn } from "node:child_process";
import { VarveError, errnoOf } from "../../core/index.ts";
import type { Bytes, Named } from "../bytes.ts";
import { through } from "./transform.ts";

/** Programs for formats that Node cannot read. The memory that an xz header can request is capped. */
const TOOLS = {
  bzip2: { command: "bzip2", args: ["-dc"] },
  xz: { command: "xz", args: ["-dc", "--memlimit-decompress=1GiB"] },
} as const;

const MESSAGE = 2000;

interface Exit {
  readonly status: number | null;
  readonly message: string;
}

/** Decompresses with a program of the system, which is killed when the reader stops. */
export async function* decompressWithTool(
  source: Bytes,
  format: keyof typeof TOOLS,
  { what, lenient }: Named & { readonly lenient: boolean },
): AsyncGenerator<Uint8Array> {
  const { command, args } = TOOLS[format];
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" },
  });
  let message = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    message = (message + text).slice(0, MESSAGE);
  });
  // A program may close its input early; its exit status tells whether that is an error.
  child.stdin.on("error", () => undefined);
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, message: message.trim() }));
  });
  exited.catch(() => undefined);
  const failed = (error: unknown): unknown => toolError(error, format, what);
  try {
    yield* through(source, { input: child.stdin, output: child.stdout }, failed);
    const exit = await exited.catch((error: unknown) => {
      throw failed(error);
    });
    // bzip2 warns about bytes after the data that it ignored.
    if (exit.status !== 0 || (exit.message !== "" && !lenient)) {
      const why = exit.message === "" ? `${command} ended with status ${exit.status}` : summary(exit.message);
      throw new VarveError("corrupt", `Cannot decompress ${what}: ${why}`);
    }
  } finally {
    child.kill("SIGKILL");
    await exited.catch(() => undefined);
  }
}

function toolError(error: unknown, format: keyof typeof TOOLS, what: string): unknown {
  const { command } = TOOLS[format];
  if (errnoOf(error) !== "ENOENT")
    return new VarveError("corrupt", `Cannot decompress ${what}: ${String(error)}`, { cause: error });
  return new VarveError(
    "unsupported",
    `Cannot decompress ${what}: it is ${format} and there is no ${command} on this machine`,
    {
      hint: `Install ${command === "xz" ? "xz-utils" : command}, or use gzip or zstd.`,
      cause: error,
    },
  );
}

/** bzip2 follows its first sentence with advice on many lines. */
function summary(message: string): string {
  return message.split("\n", 1)[0] ?? "";
}
