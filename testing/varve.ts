import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import type { OrdinaryUser } from "./ordinary-user.ts";
import { isRootUser } from "../src/linux/index.ts";
import { type Made, readMade } from "./made.ts";
import { rootfsUnavailable } from "./rootfs.ts";

/** The command that tests run. `VARVE_COMMAND` names another executable, such as the one that `npm run dist` makes. */
const COMMAND: readonly [string, ...string[]] = process.env["VARVE_COMMAND"]
  ? [process.env["VARVE_COMMAND"]]
  : [process.execPath, fileURLToPath(new URL("../bin/varve.js", import.meta.url))];

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StepOutcome {
  readonly name: string;
  readonly status: "hit" | "run" | "skipped" | "failed";
  readonly cache: string | null;
  readonly digest: string;
  readonly ms: number;
}

export interface BuildOutcome extends Outcome {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly steps: readonly StepOutcome[];
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** A command the real one is run by: `["strace", "-c"]`. */
  readonly wrapper?: readonly string[];
  /** File descriptors that the command gets as 3, 4, … */
  readonly inherited?: readonly number[];
}

/** Why images cannot be built here, with what is missing named; undefined if they can. For `skip` of a test. */
export function buildsUnavailable(...programs: readonly string[]): string | undefined {
  if (!isRootUser()) return "only root can run steps";
  const found = (program: string): boolean => spawnSync("which", [program]).status === 0;
  if (!found("crun") && !found("runc")) return "neither crun nor runc is installed";
  const missing = programs.filter((program) => !found(program));
  if (missing.length > 0) return `${missing.join(", ")} not installed`;
  return rootfsUnavailable();
}

/** The real command in a root and a folder of its own, both removed at the end. */
export class Varve implements AsyncDisposable {
  readonly folder: string;
  readonly #user: OrdinaryUser | undefined;
  #runs = 0;

  private constructor(folder: string, user: OrdinaryUser | undefined) {
    this.folder = folder;
    this.#user = user;
  }

  /** With a user, every command is run by this one. */
  static async open({ user }: { readonly user?: OrdinaryUser } = {}): Promise<Varve> {
    const folder = await mkdtemp(join(tmpdir(), "varve-e2e-"));
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    return new Varve(folder, user);
  }

  get root(): string {
    return join(this.folder, "root");
  }

  /** Starts the command and leaves it running. */
  start(args: readonly string[], options: RunOptions = {}): ChildProcess {
    const [program = "", ...before] = [...(options.wrapper ?? []), ...(this.#user?.wrapper ?? []), ...COMMAND];
    const env = {
      ...(this.#user?.env ?? process.env),
      VARVE_ROOT: this.root,
      DOCKER_CONFIG: join(this.folder, "docker"),
      NO_COLOR: "1",
      ...options.env,
    };
    return spawn(program, [...before, ...args], {
      cwd: options.cwd ?? this.folder,
      env,
      stdio: ["pipe", "pipe", "pipe", ...(options.inherited ?? [])],
    });
  }

  async run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return await finished(this.start(args, options), options.input);
  }

  /** `varve build`; throws with all that was printed if the exit code is not 0. */
  async build(args: readonly string[], options: RunOptions = {}): Promise<BuildOutcome> {
    const outcome = await this.tryBuild(args, options);
    if (outcome.code !== 0)
      throw new Error(`varve build ${args.join(" ")} exited with ${outcome.code}:\n${outcome.stderr}`);
    return outcome;
  }

  async tryBuild(args: readonly string[], options: RunOptions = {}): Promise<BuildOutcome> {
    const file = join(this.folder, `metadata-${(this.#runs += 1)}.json`);
    const outcome = await this.run(["build", "--progress=plain", "--metadata-file", file, ...args], options);
    const metadata = outcome.code === 0 ? (JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>) : {};
    return { ...outcome, metadata, steps: (metadata["varve.steps"] ?? []) as StepOutcome[] };
  }

  /** Builds, and reads back what came out: every file of the result, and the image. */
  async make(args: readonly string[], options: RunOptions = {}): Promise<Made & BuildOutcome> {
    const at = join(this.folder, `made-${(this.#runs += 1)}`);
    const outputs = ["-o", `type=tar,dest=${at}.tar`, "-o", `type=oci,tar=false,dest=${at}`];
    const outcome = await this.build([...outputs, ...args], options);
    return { ...outcome, ...(await readMade(`${at}.tar`, at)) };
  }

  /** Another root, the same as this one is now. No command may be running in this one. */
  async copy(): Promise<Varve> {
    const other = await Varve.open();
    await sh("cp", "-a", "--reflink=auto", this.root, other.root);
    return other;
  }

  /** A context with this Dockerfile and these files. Returns the folder's path. */
  async context(name: string, dockerfile: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
    return await this.files(name, { Dockerfile: dockerfile, ...files });
  }

  /** Writes files below a folder; a path that ends in "/" is a directory. Returns the folder's path. */
  async files(name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
    const folder = join(this.folder, name);
    await mkdir(folder, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      const full = join(folder, path);
      await mkdir(path.endsWith("/") ? full : dirname(full), { recursive: true });
      if (!path.endsWith("/")) await writeFile(full, content);
    }
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a process and gathers what it prints. */
export async function finished(child: ChildProcess, input: string | Uint8Array = ""): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  child.on("error", reject);
  child.on("close", (code, signal) =>
    resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
  );
  return await promise;
}

/** Runs any program to its end; throws if it fails. */
export async function sh(program: string, ...args: readonly string[]): Promise<string> {
  const outcome = await finished(spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] }));
  if (outcome.code !== 0)
    throw new Error(`${program} ${args.join(" ")} exited with ${outcome.code}:\n${outcome.stderr}${outcome.stdout}`);
  return outcome.stdout;
}

/** A base image with busybox in the store of `varve`, under this name. */
export async function busyboxImage(varve: Varve, name = "varve.test/busybox:1"): Promise<string> {
  const busybox = await readFile("/bin/busybox");
  const context = await varve.files("busybox-base", {
    "bin/busybox": busybox,
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
    "tmp/": "",
  });
  const dockerfile =
    'FROM scratch\nCOPY --chmod=755 bin/busybox /bin/busybox\nCOPY etc /etc/\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nRUN mkdir -p -m 1777 /tmp && mkdir /root\nCMD ["sh"]\n';
  await varve.build(["-t", name, "-f", "-", context], { input: dockerfile });
  return name;
}

/** What all tests of a file share. */
export interface SharedVarve {
  /** For suites: why images cannot be built here, or false. */
  readonly skip: string | false;
  readonly varve: Varve;
  /** The name of an image with busybox; empty where images cannot be built. */
  readonly base: string;
}

/** Opens a command with a root and a base image for all tests of the calling file, and disposes of it after them. */
export async function sharedVarve(): Promise<SharedVarve> {
  const skip = buildsUnavailable() ?? false;
  const varve = await Varve.open();
  after(async () => await varve[Symbol.asyncDispose]());
  return { skip, varve, base: skip === false ? await busyboxImage(varve) : "" };
}
