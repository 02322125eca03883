import {
  type BuildOptions,
  type BuildResult,
  type CacheSpec,
  DESCRIPTIONS,
  type ServedBuild,
  absolutePaths,
  serveBuild,
  serveDescription,
} from "../../engine/index.ts";
import { resolve } from "node:path";
import { writeDest } from "../../export/index.ts";
import type { Command, CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { type Parsed, describeFlags, parseFlags, usageError } from "../flags.ts";
import { printable } from "../printable.ts";
import type { Display } from "../progress/display.ts";
import { PROGRESS_MODES, openDisplay } from "../progress/open-display.ts";
import { loadSettings } from "../settings.ts";
import { withParallelism } from "../parallelism.ts";
import { byteSize, keyValues } from "../values.ts";
import { storeOf } from "./common.ts";
import { attestationsOf, gitInfoOf } from "./attestation-options.ts";
import { usableHere, withEnvironment } from "./cache-environment.ts";
import { warner } from "./cache-warnings.ts";
import { imageFrontends } from "./image-frontends.ts";
import { BUILD_FLAGS } from "./build-flags.ts";
import { RecordedBuild } from "./recorded-build.ts";
import {
  cacheSpecOf,
  contextOf,
  dockerfileOf,
  extraHostOf,
  frontendImagesOf,
  namedContexts,
  networkOf,
  outputsOf,
  platformsOf,
  resourcesOf,
  secretOf,
  sshOf,
  tracedOf,
  ulimitOf,
} from "./build-options.ts";

type Flags = Parsed<typeof BUILD_FLAGS>["flags"];

/** Returns the build options of the command line, without the store. */
async function optionsOf(
  flags: Flags,
  argument: string,
  command: CommandContext,
): Promise<Omit<BuildOptions, "store">> {
  const { stdin, cwd, env } = command;
  const warn = warner(command);
  const caches = (texts: readonly string[]): Promise<CacheSpec[]> =>
    Promise.all(usableHere(texts.map(cacheSpecOf), env, warn).map((spec) => withEnvironment(spec, command)));
  const context = contextOf(argument, stdin);
  const dockerfile = await dockerfileOf(flags.file, context, stdin);
  const network = networkOf(flags.network);
  const shmSize = flags["shm-size"];
  const cgroupParent = flags["cgroup-parent"];
  const outputs = outputsOf(flags);
  const filter = flags["no-cache-filter"].flatMap((item) => item.split(","));
  const options = {
    context,
    dockerfile,
    target: flags.target,
    tags: flags.tag,
    buildArgs: keyValues("build-arg", flags["build-arg"], env),
    buildContexts: namedContexts(flags["build-context"]),
    ...(await contextSettings(flags, command)),
    ...(flags.why === "off" ? { explain: false } : {}),
    labels: keyValues("label", flags.label),
    annotations: keyValues("annotation", flags.annotation),
    platforms: platformsOf(flags.platform),
    pull: flags.pull,
    noCache: flags["no-cache"] || filter,
    cacheFrom: await caches(flags["cache-from"]),
    cacheTo: await caches(flags["cache-to"]),
    secrets: flags.secret.map((text) => secretOf(text, { cwd, env })),
    ssh: flags.ssh.map((text) => sshOf(text, env)),
    network,
    extraHosts: flags["add-host"].map(extraHostOf),
    allow: flags.allow.flatMap((item) => item.split(",")),
    ulimits: flags.ulimit.map(ulimitOf),
    ...(shmSize === undefined ? {} : { shmSize: byteSize("shm-size", shmSize) }),
    cgroupParent,
    resources: resourcesOf(flags),
    outputs,
    attestations: attestationsOf(flags, outputs, env),
    gitInfo: gitInfoOf(env),
  };
  return absolutePaths(options, cwd);
}

/** Returns what the command line or else `varve.json` says. */
async function contextSettings(
  { "normalize-context": normalize, traced, "frontend-image": frontend }: Flags,
  command: CommandContext,
): Promise<Pick<BuildOptions, "normalizeContext" | "traced" | "frontendImages">> {
  const isComplete = normalize !== undefined && traced !== undefined && frontend !== undefined;
  const settings = isComplete ? undefined : await loadSettings(command);
  return {
    normalizeContext: normalize ?? settings?.normalizeContext,
    traced: traced === undefined ? settings?.traced : tracedOf(traced),
    frontendImages: frontend === undefined ? settings?.frontendImages : frontendImagesOf(frontend),
  };
}

function displayOf(flags: Flags, context: CommandContext): Display {
  const mode = flags.quiet ? "quiet" : (flags.progress ?? context.env["BUILDKIT_PROGRESS"] ?? "auto");
  const known = PROGRESS_MODES.find((name) => name === mode);
  if (known === undefined)
    throw usageError(`Cannot show progress as ${JSON.stringify(mode)}: expected one of ${PROGRESS_MODES.join(", ")}`);
  return openDisplay(known, context.screen);
}

/** Returns the value of `--why`: `table` if it is given without one, undefined if it is not given. */
function whyOf({ why }: Flags): "table" | "full" | "off" | undefined {
  if (why === undefined || why === "full" || why === "off") return why;
  if (why === "") return "table";
  throw usageError(`Cannot explain as ${JSON.stringify(why)}: expected --why, --why=full or --why=off`);
}

/** Prints why steps were not cached. */
async function explain(why: ReturnType<typeof whyOf>, { steps }: BuildResult, context: CommandContext): Promise<void> {
  if (why === undefined || why === "off") return;
  const [{ storedExplanation }, { whyList, whyTable }] = await Promise.all([
    import("../../explain/index.ts"),
    import("../why-table.ts"),
  ]);
  const told = steps.map((step) => ({ ...step, why: step.why && storedExplanation(step.why) }));
  const list = why === "full" ? whyList(told) : "";
  context.screen.write(`\n${whyTable(told)}${list === "" ? "" : `\n${list}`}`);
}

async function writeResults(flags: Flags, result: BuildResult, context: CommandContext): Promise<void> {
  const { stdout, signal, cwd } = context;
  const metadata = flags["metadata-file"];
  if (metadata !== undefined) {
    const text = `${JSON.stringify(result.metadata, undefined, 2)}\n`;
    if (metadata === "-") await stdout.write(text);
    else await writeDest(resolve(cwd, metadata), text, { signal });
  }
  const id = result.configDigest ?? result.digest;
  // "-" is a file of that name, as in buildx.
  if (flags.iidfile !== undefined && id !== undefined) await writeDest(resolve(cwd, flags.iidfile), id, { signal });
  if (flags.quiet && id !== undefined) await stdout.write(`${id}\n`);
}

/** The user of the command, for the engine. A server's own credentials and standard output are not those of its client. */
async function servedOf({ env, stdout, serverStore }: CommandContext): Promise<ServedBuild> {
  if (serverStore === undefined) return { frontends: imageFrontends };
  const { dockerCredentials } = await import("../../registry/index.ts");
  const write = async (bytes: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of bytes) await stdout.write(chunk);
  };
  return { frontends: imageFrontends, env, credentials: dockerCredentials({ env }), stdout: { kind: "stream", write } };
}

async function run(argv: readonly string[], context: CommandContext): Promise<number> {
  const { flags, args } = parseFlags(argv, BUILD_FLAGS);
  const [argument] = args;
  if (argument === undefined || args.length > 1) throw usageError("Cannot build: expected exactly one PATH, URL or -");
  const why = whyOf(flags);
  const options = await optionsOf(flags, argument, context);
  if (flags.plan !== undefined) {
    const { printPlan } = await import("./build-plan.ts");
    return await printPlan(flags, options, await servedOf(context), context);
  }
  await using store = await storeOf(context, (given) => withParallelism(given, flags["max-parallelism"]));
  const served = await servedOf(context);
  const call = flags.check ? "check" : flags.call;
  if (call !== undefined && call !== "build") {
    const kind = DESCRIPTIONS.find((known) => known === call);
    if (kind === undefined)
      throw usageError(`Cannot call ${JSON.stringify(call)}: expected one of ${DESCRIPTIONS.join(", ")}`);
    const { text, ok } = await serveDescription({ ...options, store, signal: context.signal }, kind, served);
    await context.stdout.write(printable(text));
    return ok ? ExitCode.done : ExitCode.build;
  }
  const display = displayOf(flags, context);
  const record = new RecordedBuild(options, (event) => {
    if (event.kind === "warning" && context.logLevel === "error") return;
    display.event(why === "off" && event.kind === "vertex" ? { ...event, why: undefined } : event);
  });
  await record.started(store);
  try {
    const onEvent = record.event.bind(record);
    const result = await serveBuild(
      { ...options, store, signal: context.signal, onEvent },
      { ...served, ref: record.ref },
    );
    await record.succeeded(store, result);
    display.finish();
    await explain(why, result, context);
    await writeResults(flags, result, context);
    return ExitCode.done;
  } catch (error) {
    await record.failed(error);
    display.finish();
    throw error;
  }
}

export const command: Command = {
  summary: "Build an image from a Dockerfile",
  help: `Usage: varve build [OPTIONS] PATH | URL | -\n\nBuild an image from a Dockerfile\n\n${describeFlags(BUILD_FLAGS)}\n\nExample: varve build -t app:1 --output type=oci,dest=app.tar .\n`,
  run,
};
