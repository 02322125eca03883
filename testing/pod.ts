import {
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
  lstatSync,
  readlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Runner, RunMount } from "../src/exec/index.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import type { Outcome } from "./varve.ts";
import { runtimeSetup } from "./runtimes.ts";

/** What a container has of this machine, only for reading. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ssl"];
const CHECKOUT = realpathSync(fileURLToPath(new URL("..", import.meta.url)));

export interface PodRun {
  /** As in an image: empty is root. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/**
 * An ordinary container, as Docker and Kubernetes start it: Docker's default capabilities and system call filter, /proc masked, no mounts
 * and no namespaces allowed. It has the machine's programs, this checkout, and a folder of its own, all at their own paths.
 */
export class Pod implements AsyncDisposable {
  readonly folder: string;
  readonly #rootfs: string;
  readonly #runner: Runner;
  readonly #parts: AsyncDisposable;

  private constructor(folder: string, rootfs: string, runner: Runner, parts: AsyncDisposable) {
    this.folder = folder;
    this.#rootfs = rootfs;
    this.#runner = runner;
    this.#parts = parts;
  }

  static async unavailable(): Promise<string | false> {
    return (await runtimeSetup("crun")).unavailable ?? false;
  }

  static async open(): Promise<Pod> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryDirectory("varve-pod-"));
    const rootfs = stack.use(await temporaryDirectory("varve-pod-root-"));
    fillRoot(rootfs.path);
    const state = stack.use(await temporaryDirectory("varve-pod-run-"));
    const setup = await runtimeSetup("crun");
    const runner = stack.use(await setup.create(state.path));
    const parts = stack.move();
    return new Pod(folder.path, rootfs.path, runner, parts);
  }

  get root(): string {
    return join(this.folder, "root");
  }

  /** Runs the command of this checkout in a container. */
  async varve(args: readonly string[], options: PodRun = {}): Promise<Outcome> {
    return await this.run([process.execPath, join(CHECKOUT, "bin/varve.js"), ...args], options);
  }

  /** Runs a program in a container. */
  async run(args: readonly string[], { user = "", env = {}, input }: PodRun = {}): Promise<Outcome> {
    const output = { 1: "", 2: "" };
    const { exitCode } = await this.#runner.run({
      rootfs: this.#rootfs,
      mounts: mountsOf(this.folder),
      process: {
        args,
        cwd: this.folder,
        user,
        env: Object.entries({
          PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
          VARVE_ROOT: this.root,
          NO_COLOR: "1",
          ...env,
        }).map(([name, value]) => `${name}=${value}`),
      },
      ...(input === undefined ? {} : { stdin: bytesOf(input) }),
      onOutput: (stream, chunk) => void (output[stream] += Buffer.from(chunk).toString()),
    });
    return { code: exitCode, signal: null, stdout: output[1], stderr: output[2] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}

function mountsOf(folder: string): RunMount[] {
  const shared = [...SYSTEM.filter((path) => existsSync(path) && !isLink(path)), CHECKOUT];
  return [
    ...shared.map((path): RunMount => ({ kind: "bind", source: path, target: path, readonly: true })),
    { kind: "bind", source: folder, target: folder },
  ];
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink();
}

function fillRoot(directory: string): void {
  for (const name of ["etc", "tmp", "root", "var"])
    mkdirSync(join(directory, name), { mode: name === "tmp" ? 0o1777 : 0o755 });
  for (const path of SYSTEM.filter((each) => existsSync(each) && isLink(each)))
    symlinkSync(readlinkSync(path), join(directory, path));
  writeFileSync(join(directory, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n");
  writeFileSync(join(directory, "etc/group"), "root:x:0:\nuser:x:1000:\n");
  mkdirSync(join(directory, dirname(CHECKOUT)), { recursive: true });
  copyFileSync("/etc/nsswitch.conf", join(directory, "etc/nsswitch.conf"));
}
