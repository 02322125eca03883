import { VarveError } from "../../core/index.ts";
import type { ResourceLimits, RunResult } from "../../exec/index.ts";
import type { ExecMeta, ExecOp } from "../../llb/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import { openMounts } from "./exec-mounts.ts";
import type { Result } from "./result.ts";

/** An op with the limits of its vertex, which are not in its key. */
export interface LimitedExec {
  readonly op: ExecOp;
  readonly limits: ResourceLimits;
}

/** Runs the command of an exec op on its inputs; one result for each output. */
export async function executeExec(
  { op, limits }: LimitedExec,
  inputs: readonly Result[],
  deps: OpDeps,
  context: OpContext,
): Promise<readonly Result[]> {
  refuseDevices(op);
  const hold = holdFor(deps, context);
  const runner = await deps.runner();
  await using stack = new AsyncDisposableStack();
  const description = op.meta.args.join(" ");
  const mounts = await openMounts(op.mounts, op.meta.cwd, { deps, inputs, hold, stack, description });
  const ended = await runner.run(
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
      onOutput: (stream, data) => context.report({ kind: "log", stream, data }),
      onWarning: (short) => context.report({ kind: "warning", short }),
    },
    { signal: context.signal },
  );
  const valid = op.meta.validExitCodes.length === 0 ? [0] : op.meta.validExitCodes;
  if (!valid.includes(ended.exitCode)) throw stepFailed(op.meta, ended, limits);
  const results = await mounts.commit();
  return Array.from({ length: results.size }, (_, output) => {
    const result = results.get(output);
    if (result === undefined) throw new VarveError("internal", `Cannot finish step: output ${output} is missing`);
    return result;
  });
}

/** Devices by CDI name need a registry of them, which is not read; those a step can do without are left out. */
function refuseDevices({ cdiDevices }: ExecOp): void {
  const needed = cdiDevices.find((device) => !device.optional);
  if (needed === undefined) return;
  throw new VarveError("unsupported", `Cannot give the step device ${needed.name}: devices by name are not supported`);
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
  const message = `process ${JSON.stringify(meta.args.join(" "))} did not complete successfully: ${how}`;
  return new VarveError("step-failed", message, {
    details: { exitCode, signal },
    ...(oomKilled && memory !== undefined && { hint: `Give the step more than ${memory} bytes with --memory.` }),
  });
}

/** The step's environment with proxies and secrets, which no key depends on. A secret that is not there is an empty variable. */
async function environment(op: ExecOp, deps: OpDeps): Promise<string[]> {
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
  for (const { id, name, optional } of op.secretEnv) {
    const value = (await deps.secrets.get(id, optional)) ?? new Uint8Array();
    env.push(`${name}=${Buffer.from(value).toString()}`);
  }
  return env;
}
