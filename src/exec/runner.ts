import { writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { VarveError } from "../core/index.ts";
import { findProgram, hasCapability, ownIdMaps } from "../linux/index.ts";
import type { DefaultNetwork, ProxiedNetwork } from "../network/index.ts";
import { disablesCgroupManager } from "./cgroup/cgroup.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup/layout.ts";
import { userGroups } from "./cgroup/user-namespace.ts";
import { emulationOf, withWrapper } from "./emulated.ts";
import { FilterCache } from "./bundle/filter-cache.ts";
import { editedEnv } from "./bundle/edits.ts";
import { checkHostname } from "./bundle/files.ts";
import { findRuntime, requireNsenter } from "./find.ts";
import { type Launch, launch, namespaceError } from "./launch.ts";
import { type LaunchPlan, type LaunchTools, launchScript } from "./launch-script.ts";
import { Launchers } from "./launchers.ts";
import { type Place, enteringEmulation, placeOf } from "./place.ts";
import { inputOf, OpenStep } from "./running-step.ts";
import { openStepCgroup, prepareStep, secretsDirectory, type StepContext } from "./bundle/prepare.ts";
import { hasSeccomp, type SeccompProfile } from "./bundle/seccomp.ts";
import { writeSecrets } from "./mounts/step-mounts.ts";
import { absolutePaths, openRootfs, runToEnd, startOnly } from "./run-to-end.ts";
import type {
  RunnerOptions,
  RunOptions,
  RunResult,
  RunSpec,
  Runner,
  RunningStep,
  Runtime,
  StepDefaults,
} from "./types.ts";
import { trustAuthority } from "./trust.ts";
import { StepMeter } from "./usage/step-usage.ts";
import { type StepDirectory, Workspace } from "./workspace.ts";

/** What a runner knows about the machine. It is determined once, when the runner is created. */
interface Machine extends Place {
  readonly runtime: Runtime;
  readonly tools: LaunchTools;
  readonly seccomp: boolean;
  readonly filters: FilterCache;
  readonly workspace: Workspace;
  readonly launchers: Launchers<Launch>;
  readonly defaults: StepDefaults;
  readonly networks: RunnerOptions["networks"];
}

/**
 * Finds an OCI runtime and opens a state directory for steps. The caller disposes of the runner.
 *
 * @throws {VarveError} `unsupported`, with a hint, if the machine has no runtime or lacks `setpriv`, `unshare` or `sh`.
 * @example
 * await using runner = await createRunner({ stateDir: "/var/lib/varve/run" });
 * const { exitCode } = await runner.run({
 *   rootfs: "/srv/rootfs",
 *   process: { args: ["sh", "-c", "make"], env: ["PATH=/usr/bin:/bin"], cwd: "/src", user: "" },
 * });
 */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  if (!hasCapability("sys_admin")) throw namespaceError("the capability SYS_ADMIN is missing");
  await using stack = new AsyncDisposableStack();
  const tools = await findTools();
  const stateDir = resolve(options.stateDir);
  const workspace = stack.use(await Workspace.open(stateDir));
  const launchers = stack.use(new Launchers((input, enter) => launch(tools, workspace.path, input, enter)));
  launchers.prepare();
  const runtime = options.runtime ?? (await findRuntime());
  const idMaps = ownIdMaps();
  const found = readCgroupLayout();
  const { layout, covered } = idMaps === undefined ? { layout: found, covered: [] } : userGroups(found);
  // runc expects the hierarchies that the kernel lists, and goes on if it may not make groups there.
  const coveredMounts = runtime.name === "crun" ? covered : [];
  const hiddenMounts = mountsToHide(layout, runtime);
  const filters = new FilterCache(stateDir, runtime);
  const seccomp = hasSeccomp();
  const { defaults = {}, networks } = options;
  const parts = stack.move();
  return new BundleRunner(
    {
      runtime,
      tools,
      layout,
      hiddenMounts,
      coveredMounts,
      idMaps,
      seccomp,
      filters,
      workspace,
      launchers,
      defaults,
      networks,
    },
    parts,
  );
}

async function findTools(): Promise<LaunchTools> {
  const [setpriv, unshare, shell] = await Promise.all(["setpriv", "unshare", "sh"].map((name) => findProgram(name)));
  if (setpriv !== undefined && unshare !== undefined && shell !== undefined) return { setpriv, unshare, shell };
  throw new VarveError("unsupported", "Cannot run steps: setpriv, unshare or sh is not installed", {
    hint: "apt-get install util-linux",
  });
}

/** crun fails on a machine with version 1 hierarchies if the version 2 hierarchy has controllers too. */
function mountsToHide(layout: CgroupLayout, { name }: Runtime): string[] {
  if (layout.kind !== "hybrid" || name !== "crun") return [];
  return layout.hierarchies
    .filter((hierarchy) => hierarchy.version === 2 && hierarchy.controllers.length > 0)
    .map((hierarchy) => hierarchy.mountPoint);
}

const SCRIPT = "launch.sh";

class BundleRunner implements Runner {
  readonly runtime: Runtime;
  readonly #machine: Machine;
  readonly #parts: AsyncDisposable;

  /** Disposes of `parts` at its end. */
  constructor(machine: Machine, parts: AsyncDisposable) {
    this.runtime = machine.runtime;
    this.#machine = machine;
    this.#parts = parts;
  }

  async run(spec: RunSpec, { signal }: RunOptions = {}): Promise<RunResult> {
    return await runToEnd(() => this.#start(spec), { signal, started: () => this.#machine.launchers.prepare() });
  }

  async start(spec: RunSpec): Promise<RunningStep> {
    return await startOnly(() => this.#start(spec));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }

  async #start(given: RunSpec): Promise<OpenStep> {
    // Disposed of in reverse order: first the processes, then what they used.
    await using stack = new AsyncDisposableStack();
    const connected = await this.#connect(given);
    if (connected.kind === "isolated") stack.use(connected.network);
    const network = connected.kind === "none" ? "none" : given.network;
    const proxied = connected.kind === "isolated" && "environment" in connected.network ? connected.network : undefined;
    const directory = stack.use(this.#machine.workspace.step());
    const root = stack.use(openRootfs(resolve(given.rootfs)));
    const emulation = await emulationOf(given, root);
    const absolute = absolutePaths({ ...this.#machine.defaults, ...given, network });
    const spec = withProxy(withWrapper(absolute, emulation), proxied);
    // A root filesystem that is only read may be one that others read too.
    if (proxied !== undefined && spec.readonlyRootfs !== true) stack.use(trustAuthority(root, proxied.authority));
    const cleanup = stack.use(new AsyncDisposableStack());
    const secretDirectory = secretsDirectory(directory.path, spec);
    const isolated = connected.kind === "isolated";
    const place = placeOf(this.#machine, emulation);
    const { tools, idMaps } = this.#machine;
    const withoutDevices = emulation.kind === "namespace" && idMaps === undefined;
    const parts = { spec, root, directory, secretDirectory, cleanup, isolated, emulation, withoutDevices };
    const context = { ...this.#machine, ...place, ...parts };
    const cgroup = await openStepCgroup(context);
    const logFile = join(directory.path, "log.json");
    const enterNetwork = isolated ? await enteringNetwork(connected.network) : [];
    // A user namespace may not enter a network of the machine: its launcher is in the network from the beginning.
    const enter =
      emulation.kind === "namespace"
        ? [
            ...enterNetwork,
            ...(await enteringEmulation({
              path: emulation.path,
              tools,
              rootfs: spec.rootfs,
              mayHaveDevices: withoutDevices,
            })),
          ]
        : [];
    const launched = stack.use(await this.#machine.launchers.take(inputOf(spec), enter));
    const script = join(directory.path, SCRIPT);
    const groupFiles = cgroup.enter();
    const plan = {
      ...this.#plan(context, place, groupFiles, logFile),
      enterNetwork: enter.length > 0 ? [] : enterNetwork,
    };
    writeFileSync(script, launchScript(plan), { mode: 0o600 });
    const prepared = await prepareStep(context, cgroup);
    const first = await launched.ready();
    const name = relative(this.#machine.workspace.path, script);
    if (secretDirectory !== undefined) {
      await launched.enter(name);
      await writeSecrets(`/proc/${first}/root${secretDirectory}`, prepared.secrets);
    }
    const compilation = stack.use(this.#cacheFilter(prepared.uncompiled, directory));
    launched.go(name);
    const { onUsage } = spec;
    const meter = onUsage && cgroup.measured && stack.use(new StepMeter(cgroup.measured));
    const command = (log: string, more: readonly string[]): string[] => this.#command(directory, place, log, more);
    const onSuccess = (): Promise<void> => compilation.finish();
    const onEnd = (): { oomKills: number } => {
      if (meter !== undefined) onUsage?.(meter.close());
      return { oomKills: cgroup.oomKills() };
    };
    const step = { context, tools, launched, prepared, groupFiles, logFile, command, onSuccess, onEnd };
    return new OpenStep(step, stack.move());
  }

  /** Returns the network of a step, which may be one of its own. */
  async #connect({
    network = "default",
    hostname,
    proxy,
  }: RunSpec): Promise<DefaultNetwork | { readonly kind: "isolated"; readonly network: ProxiedNetwork }> {
    const { networks } = this.#machine;
    if (network === "none") return { kind: "none" };
    if (proxy !== undefined) {
      if (networks === undefined)
        throw new VarveError("unsupported", "Cannot run a step with a proxy: there are no networks");
      return { kind: "isolated", network: await networks.enterProxied(network, proxy) };
    }
    if (network === "host" || networks === undefined) return { kind: "host" };
    return await networks.enter({ hostname: hostname === undefined ? undefined : checkHostname(hostname) });
  }

  #plan(
    context: StepContext,
    place: Place,
    groupFiles: readonly string[],
    logFile: string,
  ): Omit<LaunchPlan, "enterNetwork"> {
    const { directory, secretDirectory } = context;
    const { hiddenMounts, coveredMounts } = place;
    const { runtime, tools } = this.#machine;
    const keep = runtime.name === "runc" ? ["--keep"] : [];
    const command = this.#command(directory, place, logFile, [
      "run",
      ...keep,
      "--bundle",
      directory.path,
      directory.id,
    ]);
    return { tools, command, scratch: directory.path, hiddenMounts, coveredMounts, secretDirectory, groupFiles };
  }

  #command(
    directory: StepDirectory,
    { layout, idMaps }: Place,
    logFile: string,
    subcommand: readonly string[],
  ): string[] {
    const { runtime } = this.#machine;
    return [
      runtime.path,
      "--root",
      directory.runtimeState,
      "--log",
      // crun reads the text before the first colon as the kind of log.
      runtime.name === "crun" ? `file:${logFile}` : logFile,
      "--log-format",
      "json",
      ...(disablesCgroupManager(layout, runtime.name) ? ["--cgroup-manager=disabled"] : []),
      // runc then goes on without groups. It would guess by the name of the user in the environment.
      ...(runtime.name === "runc" && idMaps !== undefined ? ["--rootless=true"] : []),
      ...subcommand,
    ];
  }

  #cacheFilter(
    profile: SeccompProfile | undefined,
    { id, path, runtimeState }: StepDirectory,
  ): Disposable & { finish(): Promise<void> } {
    const stop = new AbortController();
    const { filters } = this.#machine;
    const source = join(runtimeState, id, "seccomp.bpf");
    const compilation =
      profile === undefined ? undefined : filters.compilation(profile, source, join(path, "seccomp.bpf"));
    const watched = compilation?.watch(stop.signal);
    return {
      finish: async () => {
        stop.abort();
        await watched;
        await compilation?.finish();
      },
      [Symbol.dispose]: () => stop.abort(),
    };
  }
}

/** Tells the processes of a step where their proxy is. */
function withProxy(spec: RunSpec, proxied: ProxiedNetwork | undefined): RunSpec {
  if (proxied === undefined) return spec;
  const env = editedEnv(spec.process.env, { env: proxied.environment });
  return { ...spec, process: { ...spec.process, env } };
}

/** Returns what runs a program in a network. The launcher, which runs it, sees the processes of this machine. */
async function enteringNetwork({ namespace }: { readonly namespace: number }): Promise<string[]> {
  const nsenter = await requireNsenter("run a step in a network of its own");
  return [nsenter, `--net=/proc/${process.pid}/fd/${namespace}`, "--"];
}
