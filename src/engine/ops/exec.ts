import type { ContainerEdits } from "../../cdi/index.ts";
import { type Digest, type Platform, VarveError, isVarveError } from "../../core/index.ts";
import type { ResourceLimits, RunResult } from "../../exec/index.ts";
import type { ExecMeta, ExecOp } from "../../llb/index.ts";
import { type ProxiedRequest, ProxyCapture, type ProxySpec } from "../../network/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { type ExecDeps, holdFor } from "./deps.ts";
import { type StepMounts, mountedInputs, openMounts } from "./exec-mounts.ts";
import { withFailure } from "./op-failure.ts";
import { SCRATCH } from "../../record/index.ts";
import { DEFAULT_PATH, secretEnvironment } from "./step-environment.ts";
import { type Result, recordResult } from "./result.ts";

/** An op with the resource limits of its vertex. The limits are not part of the cache key. */
export interface LimitedExec {
  readonly op: ExecOp;
  /** Digest of its vertex. */
  readonly vertex: Digest;
  readonly limits: ResourceLimits;
  /** That of its vertex. Default: that of this machine. */
  readonly platform?: Platform | undefined;
  /** Notes what the step opens in its root and its bind mounts. */
  readonly trace?: StepWatch | undefined;
}

/** Watches a step while it runs. */
export interface StepWatch {
  /** Runs a step that has these mounts. */
  watch<T>(mounts: StepMounts, run: () => Promise<T>): Promise<T>;
}

/**
 * Runs the command of an exec op and returns one result for each output.
 *
 * @throws {VarveError} `step-failed` if the command fails, `not-found` if the op needs a device that the machine does not have.
 */
export async function executeExec(
  { trace, ...exec }: LimitedExec,
  inputs: readonly Result[],
  deps: ExecDeps,
  context: OpContext,
): Promise<readonly Result[]> {
  const { op } = exec;
  const hold = holdFor(deps, context);
  await using stack = new AsyncDisposableStack();
  const description = op.meta.args.join(" ");
  const layered = trace !== undefined && deps.records.stacks;
  const mounts = await openMounts(op.mounts, op.meta.cwd, { deps, inputs, hold, stack, description, layered });
  try {
    const ran = (): Promise<void> => run(exec, mounts, deps, context);
    await (trace === undefined ? ran() : trace.watch(mounts, ran));
  } catch (error) {
    const written = deps.keepFailed === true ? await mounts.commitFailed() : [];
    throw withFailure(error, { inputs: mountedInputs(op.mounts, inputs), mounts: written, subject: { kind: "exec" } });
  }
  const results = await mounts.commit();
  const count = Math.max(0, ...[...results.keys()].map((output) => output + 1));
  return Array.from({ length: count }, (_, output) => results.get(output) ?? recordResult(SCRATCH));
}

/** The warnings about the machine that each build has given. */
const given = new WeakMap<object, Set<string>>();

/** Each step has the same to say about what the machine lacks: it is said once for a build. */
function isNew({ limits }: ExecDeps, warning: string): boolean {
  const known = given.get(limits) ?? new Set();
  given.set(limits, known);
  return known.size < known.add(warning).size;
}

/** Runs the command. Throws `step-failed` if it fails. */
async function run(
  { op, vertex, limits, platform }: LimitedExec,
  mounts: StepMounts,
  deps: ExecDeps,
  context: OpContext,
): Promise<void> {
  const runner = await deps.runner();
  const proxy = stepProxy(op, vertex, deps);
  using _logged = { [Symbol.dispose]: () => logRequests(proxy?.capture.requests ?? [], context) };
  const ended = await started(
    op.meta,
    runner.run(
      {
        rootfs: mounts.rootfs,
        readonlyRootfs: mounts.readonlyRootfs,
        mounts: mounts.mounts,
        process: { args: op.meta.args, env: await environment(op, deps), cwd: op.meta.cwd, user: op.meta.user },
        platform,
        network: op.network,
        proxy,
        security: op.security,
        edits: await deviceEdits(op, deps),
        extraHosts: op.meta.extraHosts,
        ulimits: op.meta.ulimits,
        limits,
        ...(op.meta.hostname === "" ? {} : { hostname: op.meta.hostname }),
        ...(op.meta.cgroupParent === "" ? {} : { cgroupParent: op.meta.cgroupParent }),
        shmSize: deps.limits.shmSize,
        keepStubParents: !op.meta.removeMountStubsRecursive,
        onUsage: deps.usages.noteOf(vertex),
        onOutput: (stream, data) => context.report({ kind: "log", stream, data }),
        onWarning: (short) => {
          if (isNew(deps, short)) context.report({ kind: "warning", short });
        },
      },
      { signal: context.signal },
    ),
  );
  const valid = op.meta.validExitCodes.length === 0 ? [0] : op.meta.validExitCodes;
  if (!valid.includes(ended.exitCode)) throw stepFailed(op.meta, ended, limits);
}

/** Returns the proxy of a step that has a network; undefined if the steps of the build have none. */
function stepProxy({ network }: ExecOp, vertex: Digest, { proxy }: ExecDeps): ProxySpec | undefined {
  if (proxy === undefined || network === "none") return undefined;
  const capture = new ProxyCapture();
  proxy.captures.set(vertex, capture);
  return { judge: proxy.judge, capture };
}

/** Lists the requests of a step in its log, as BuildKit does. */
function logRequests(requests: readonly ProxiedRequest[], context: OpContext): void {
  if (requests.length === 0) return;
  const lines = requests.map(({ method, url, status }) => `- ${method} ${url} -> ${status}\n`);
  context.report({ kind: "log", stream: 2, data: Buffer.from(`proxy network requests:\n${lines.join("")}`) });
}

/** Returns what the devices of an op change in its container; undefined if it has none. */
async function deviceEdits({ cdiDevices }: ExecOp, { devices }: ExecDeps): Promise<ContainerEdits | undefined> {
  return cdiDevices.length === 0 ? undefined : (await devices()).edits(cdiDevices);
}

/** Names the command in the error of one that could not be started, as in that of one that has failed. */
async function started(meta: ExecMeta, running: Promise<RunResult>): Promise<RunResult> {
  try {
    return await running;
  } catch (error) {
    if (!isVarveError(error, "step-failed")) throw error;
    const { message, details } = error;
    throw new VarveError("step-failed", `${unsuccessful(meta)}: ${message}`, { details, cause: error });
  }
}

function unsuccessful({ args }: ExecMeta): string {
  return `process ${JSON.stringify(args.join(" "))} did not complete successfully`;
}

function stepFailed(
  meta: ExecMeta,
  { exitCode, signal, oomKilled }: RunResult,
  { memory }: ResourceLimits,
): VarveError {
  const how = oomKilled
    ? `exit code: ${exitCode} (killed: out of memory)`
    : signal === undefined
      ? `exit code: ${exitCode}`
      : `exit code: ${exitCode} (${signal})`;
  return new VarveError("step-failed", `${unsuccessful(meta)}: ${how}`, {
    details: { exitCode, signal },
    ...(oomKilled && memory !== undefined && { hint: `Give the step more than ${memory} bytes with --memory.` }),
  });
}

/** Returns the step's environment, with proxies, secrets and a default `PATH`, which are not part of the cache key. A missing secret is empty. */
async function environment(op: ExecOp, deps: ExecDeps): Promise<string[]> {
  const env = [...op.meta.env];
  const { proxyEnv } = op.meta;
  if (proxyEnv !== undefined) {
    const proxies: readonly [string, string][] = [
      ["HTTP_PROXY", proxyEnv.httpProxy],
      ["HTTPS_PROXY", proxyEnv.httpsProxy],
      ["FTP_PROXY", proxyEnv.ftpProxy],
      ["NO_PROXY", proxyEnv.noProxy],
      ["ALL_PROXY", proxyEnv.allProxy],
    ];
    for (const [name, value] of proxies)
      if (value !== "") env.push(`${name}=${value}`, `${name.toLowerCase()}=${value}`);
  }
  if (!env.some((entry) => entry.startsWith("PATH="))) env.push(`PATH=${DEFAULT_PATH}`);
  env.push(...(await secretEnvironment(op.secretEnv, deps)));
  return env;
}
