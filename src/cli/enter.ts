import { VarveError, defaultRoot } from "../core/index.ts";
import {
  type IsolationMode,
  type Refusal,
  enterUserNamespace,
  parseIsolationMode,
  planFor,
  refusalError,
  waitForProgram,
} from "../isolation/index.ts";
import { describeError, exitCodeOf } from "./exit-code.ts";
import { machineIdentity, mountNamespace } from "./forward/identity.ts";
import { CLIENT_IDENTITY } from "./forward/identity-variable.ts";
import { type SplitArgv, splitArgv } from "./global-flags.ts";

/** Commands that touch no store, and need no privileges. */
const PLAIN: ReadonlySet<string> = new Set(["buildctl", "version"]);

/**
 * Runs a command line of an ordinary user by another process of this program, as root of a user namespace. Returns the exit code; undefined
 * if the command is to run in this process. Prints an error.
 *
 * @param program - The program and its arguments before those of the command line.
 */
export async function enterForCommand(
  program: readonly string[],
  argv: readonly string[],
): Promise<number | undefined> {
  const line = splitArgv(argv);
  try {
    const mode = modeOf(line.global, process.env);
    if (mode === "none" || mode === "chroot" || isPlain(line)) return undefined;
    const refusal = await enter(mode === "auto" ? "userns" : mode, program, argv);
    if (typeof refusal === "number") return refusal;
    if (mode === "auto") return undefined;
    throw refusalError(refusal, "enter a user namespace");
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

async function enter(
  mode: "userns" | "userns-single",
  program: readonly string[],
  argv: readonly string[],
): Promise<number | Refusal> {
  const plan = planFor(mode);
  if ("reason" in plan) return plan;
  if (plan.kind === "single") process.stderr.write(SINGLE);
  const env = { ...process.env, VARVE_ROOT: defaultRoot(), [CLIENT_IDENTITY]: machineIdentity(mountNamespace()) };
  const entered = await enterUserNamespace(plan, {
    command: [...program, ...argv],
    env,
    descriptors: descriptorsIn(argv),
  });
  return "reason" in entered ? entered : await waitForProgram(entered);
}

const SINGLE = `WARNING: This user namespace has one user id, as root. Steps and images with files of other users fail:
apt-get, adduser, USER, COPY --chown, and most base images with services.
`;

/** Returns the last `--isolation` of the command line, else that of the environment. */
function modeOf(global: readonly string[], env: NodeJS.ProcessEnv): IsolationMode {
  let given = env["VARVE_ISOLATION"];
  for (const [index, arg] of global.entries()) {
    if (arg === "--isolation") given = global[index + 1];
    else if (arg.startsWith("--isolation=")) given = arg.slice("--isolation=".length);
  }
  return parseIsolationMode(given === undefined || given === "" ? "auto" : given);
}

function isPlain({ global, name, rest }: SplitArgv): boolean {
  if (name === undefined || PLAIN.has(name)) return true;
  return [...global, ...rest].some((arg) => arg === "--help" || arg === "-h");
}

/** The highest descriptor that is passed on. A shell's own are below. */
const MAX_DESCRIPTOR = 255;

/** Returns the descriptors that arguments name: files such as /dev/fd/63, and sockets such as fd://4; fd:// is the first of systemd's. */
function descriptorsIn(argv: readonly string[]): number[] {
  const named = argv.flatMap((arg) => [...arg.matchAll(/(?:\/dev|\/proc\/self)\/fd\/(\d+)|fd:\/\/(\d*)/g)]);
  const numbers = named.map(([, file, socket]) => Number(file ?? (socket === "" ? "3" : socket)));
  const distinct = [...new Set(numbers)].filter((number) => number > 2).sort((a, b) => a - b);
  const high = distinct.find((number) => number > MAX_DESCRIPTOR);
  if (high === undefined) return distinct;
  throw new VarveError("limit-exceeded", `Cannot pass descriptor ${high} on: it is above ${MAX_DESCRIPTOR}`);
}
