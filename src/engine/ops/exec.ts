import { VarveError, isVarveError } from "../../core/index.ts";
import type { ResourceLimits, RunResult } from "../../exec/index.ts";
import type { ExecMeta, ExecOp } from "../../llb/index.ts";
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
  readonly limits: ResourceLimits;
  /** Notes what the step opens in its root. */
  readonly trace?: StepWatch | undefined;
}

/** Watches a step while it runs. */
export interface StepWatch {
  /** Runs a step in the root that is mounted at `rootfs`. */
  watch<T>(rootfs: string, run: () => Promise<T>): Promise<T>;
}

/**
 * Runs the command of an exec op and returns one result for each output.
 *
 * @throws {VarveError} `step-failed` if the command fails, `unsupported` if the op needs a device.
 */
export async function executeExec(
  { op, limits, trace }: LimitedExec,
  inputs: readonly Result[],
  deps: ExecDeps,
  context: OpContext,
): Promise<readonly Result[]> {
  refuseDevices(op);
  const hold = holdFor(deps, context);
  await using stack = new AsyncDisposableStack();
  const description = op.meta.args.join(" ");
  const mounts = await openMounts(op.mounts, op.meta.cwd, { deps, inputs, hold, stack, description });
  try {
    const ran = (): Promise<void> => run({ op, limits }, mounts, deps, context);
    await (trace === undefined ? ran() : trace.watch(mounts.rootfs, ran));
  } catch (error) {
    const written = deps.keepFailed === true ? await mounts.commitFailed() : [];
    throw withFailure(error, { inputs: mountedInputs(op.mounts, inputs), mounts: written, subject: { kind: "exec" } });
  }
  const results = await mounts.commit();
  const count = Math.max(0, ...[...results.keys()].map((output) => output + 1));
  return Array.from({ length: count }, (_, output) => results.get(output) ?? recordResult(SCRATCH));
}

/** Runs the command. Throws `step-failed` if it fails. */
async function run({ op, limits }: LimitedExec, mounts: StepMounts, deps: ExecDeps, context: OpContext): Promise<void> {
  const runner = await deps.runner();
  const ended = await started(
    op.meta,
    runner.run(
      {
        rootfs: mounts.rootfs,
        readonlyRootfs: mounts.readonlyRootfs,
        mounts: mounts.mounts,
        process: { args: op.meta.args, env: await environment(op, deps), cwd: op.meta.cwd, user: op.meta.user },
        network: op.network,
        security: op.security,
        extraHosts: op.meta.extraHosts,
        ulimits: op.meta.ulimits,
        limits,
        ...(op.meta.hostname === "" ? {} : { hostname: op.meta.hostname }),
        ...(op.meta.cgroupParent === "" ? {} : { cgroupParent: op.meta.cgroupParent }),
        shmSize: deps.limits.shmSize,
        keepStubParents: !op.meta.removeMountStubsRecursive,
        onOutput: (stream, data) => context.report({ kind: "log", stream, data }),
        onWarning: (short) => context.report({ kind: "warning", short }),
      },
      { signal: context.signal },
    ),
  );
  const valid = op.meta.validExitCodes.length === 0 ? [0] : op.meta.validExitCodes;
  if (!valid.includes(ended.exitCode)) throw stepFailed(op.meta, ended, limits);
}

/** Throws `unsupported` if a step requires a CDI device, because CDI specifications are not read. Optional devices are ignored. */
function refuseDevices({ cdiDevices }: ExecOp): void {
  const needed = cdiDevices.find((device) => !device.optional);
  if (needed === undefined) return;
  throw new VarveError("unsupported", `Cannot give the step device ${needed.name}: CDI devices are not supported`);
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
