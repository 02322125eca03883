import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type BuildOptions, type Plugin, build } from "esbuild";
import { COMMON } from "./bundle.ts";
import { run } from "./run.ts";

/** An architecture, as Node names it. */
export type Architecture = "x64" | "arm64";

export interface ExecutableOptions {
  /** The compiled modules: `dist` of a staged package. */
  readonly modules: string;
  /** A Node executable of the architecture. */
  readonly node: string;
  /** The folder of koffi's native modules of the architecture. */
  readonly koffi: string;
  readonly arch: Architecture;
  /** A folder for intermediate files; it is emptied first. */
  readonly work: string;
  readonly output: string;
}

/** The first argument of the executable when it is the program of a step in a chroot: `src/cli/executable.ts`. */
const STEP = "varve-chroot-step";

const OPTIONS: BuildOptions = {
  ...COMMON,
  format: "cjs",
  logLevel: "error",
  nodePaths: [resolve("node_modules")],
  // The code cache does not support import().
  supported: { "dynamic-import": false },
};

/** Where a native module can be written for the dynamic linker: the first of these that allows execution. */
const NATIVE = `
const { openSync, writeSync, closeSync, constants } = require("node:fs");
const { getRawAsset } = require("node:sea");
const O_TMPFILE = 0x410000;
const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
const bytes = Buffer.from(getRawAsset("koffi-" + libc));
let failure;
for (const folder of [process.env.XDG_RUNTIME_DIR, "/dev/shm", process.env.TMPDIR, "/tmp", "/var/tmp", "."]) {
  if (!folder) continue;
  let fd;
  try {
    fd = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o700);
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at);
    process.dlopen(module, "/proc/self/fd/" + fd);
    failure = undefined;
    break;
  } catch (error) {
    failure = error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
if (failure !== undefined) throw failure;
`;

/** Bundles the command, the program of its threads and koffi's native modules into one file with Node in it. */
export async function makeExecutable(options: ExecutableOptions): Promise<void> {
  const { modules, work, arch, output } = options;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  // It may be running.
  rmSync(output, { force: true });
  const plugins = [replacements(arch)];
  const thread = join(work, "thread.cjs");
  const main = join(work, "main.cjs");
  await build({ ...OPTIONS, plugins, entryPoints: [join(modules, "layer/worker/thread.js")], outfile: thread });
  await build({ ...OPTIONS, plugins, entryPoints: [join(modules, "cli/executable.js")], outfile: main });
  const config = {
    main,
    output,
    executable: options.node,
    disableExperimentalSEAWarning: true,
    // A code cache is valid for the Node that made it only.
    useCodeCache: arch === process.arch,
    execArgvExtension: "none",
    assets: {
      thread,
      "koffi-glibc": join(options.koffi, `linux_${arch}/koffi.node`),
      "koffi-musl": join(options.koffi, `musl_${arch}/koffi.node`),
    },
  };
  const file = join(work, "sea-config.json");
  writeFileSync(file, JSON.stringify(config));
  run(process.execPath, "--build-sea", file);
}

/** Replaces the modules that find files beside themselves. */
function replacements(arch: Architecture): Plugin {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const texts: readonly (readonly [filter: RegExp, contents: string])[] = [
    [/cli\/program-version\.js$/, `export const programVersion = () => ${JSON.stringify(version)};`],
    [/exec\/chroot\/program\.js$/, `export const stepProgram = () => [process.execPath, ${JSON.stringify(STEP)}];`],
    [
      /layer\/worker\/program\.js$/,
      'import { getAsset } from "node:sea"; export const threadProgram = () => ({ kind: "code", code: getAsset("thread", "utf8") });',
    ],
  ];
  return {
    name: "replacements",
    setup: (bundle) => {
      for (const [filter, contents] of texts) bundle.onLoad({ filter }, () => ({ contents, loader: "js" }));
      bundle.onLoad({ filter: /linux\/libc\.js$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8").replace('createRequire(import.meta.url)("koffi")', 'require("koffi")');
        return { contents: text, loader: "js" };
      });
      // Threads have no file name.
      bundle.onLoad({ filter: /koffi\/index\.cjs$/ }, ({ path }) => {
        return {
          contents: readFileSync(path, "utf8").replace(
            "createRequire)(__filename)",
            "createRequire)(process.execPath)",
          ),
        };
      });
      bundle.onResolve({ filter: /^@koromix\// }, ({ path }) => ({
        path,
        namespace: path === `@koromix/koffi-linux-${arch}` ? "native" : "absent",
      }));
      bundle.onLoad({ filter: /./, namespace: "native" }, () => ({ contents: NATIVE, resolveDir: "." }));
      bundle.onLoad({ filter: /./, namespace: "absent" }, () => ({ contents: "module.exports = undefined;" }));
    },
  };
}
