import { type Digest, digestOf, messageOf, throwIfAborted } from "../../core/index.ts";
import { wholeTree } from "../../contenthash/index.ts";
import { type ByteString, pathOfByteString, showPath } from "../../linux/index.ts";
import { EMPTY, type ExecOp, type Mount, ROOT_MOUNT, SKIP_OUTPUT, type Vertex, cacheMapOf } from "../../llb/index.ts";
import { type Hold, type RecordId, SCRATCH } from "../../record/index.ts";
import type { OpContext, Recalled } from "../../solver/index.ts";
import type { KnownRun } from "../traced/known-run.ts";
import type { ComparedLayer } from "../traced/layer-files.ts";
import type {
  FindOptions,
  Recollection,
  SeenDifference,
  TracedInputs,
  TracedRuns,
  TracedStepKey,
} from "../traced/traced-runs.ts";
import { contentDigest } from "./content.ts";
import { recordOf } from "./context-record.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import { type LimitedExec, executeExec } from "./exec.ts";
import { type DigestInput, bindMounts, filesInMounts } from "./mounted-files.ts";
import { type Result, recordResult } from "./result.ts";
import { type StepAccesses, StepTrace } from "./step-trace.ts";
import { withSecrets } from "./step-policy.ts";

/** Id of the cache that recalled results come from. */
const CACHE = "traced";

/** Runs one step, or recalls what an earlier run of it made on an input that differs in nothing it reads. */
export class TracedExec {
  readonly #vertex: Vertex;
  readonly #exec: LimitedExec;
  readonly #runs: TracedRuns;
  readonly #deps: OpDeps;
  readonly #mode: "contents" | "loose" | "verify";
  #recollection: Recollection = { kind: "none" };
  #step: { readonly inputs: readonly Result[]; readonly step: TracedInputs } | undefined;

  constructor(vertex: Vertex, exec: LimitedExec, runs: TracedRuns, deps: OpDeps) {
    this.#vertex = vertex;
    this.#exec = exec;
    this.#runs = runs;
    this.#deps = deps;
    this.#mode = vertex.metadata.policy?.traced ?? deps.traced?.mode ?? "contents";
  }

  /** Returns the result of an earlier run. A run that cannot be used, for whatever reason, is no error: the step runs. */
  async recall(inputs: readonly Result[], context: OpContext): Promise<Recalled<Result> | undefined> {
    if (untraceable(this.#exec.op) !== undefined) return undefined;
    try {
      return await this.#recall(inputs, context);
    } catch (error) {
      throwIfAborted(context.signal, "recall a step");
      log(context, `traced: earlier runs cannot be used: ${messageOf(error)}`);
      return undefined;
    }
  }

  async #recall(inputs: readonly Result[], context: OpContext): Promise<Recalled<Result> | undefined> {
    const hold = holdFor(this.#deps, context);
    const step = await this.#inputs(inputs, hold);
    const found = await this.#runs.find(step, this.#options(context.signal));
    this.#recollection = found;
    if (found.kind !== "hit" || this.#mode === "verify") return undefined;
    const { run, accesses, changed } = found;
    const { madeAt, mounts } = run;
    const result = await this.#runs.move(run.result, step.root, hold);
    if (result === undefined) return undefined;
    this.#runs.save(step, { result, madeAt, accesses, traces: mounts?.mounts.map(({ traces }) => traces) });
    log(
      context,
      `hit (traced): ${changed} ${changed === 1 ? "file" : "files"} changed since, none that the step reads`,
    );
    return { results: [recordResult(result)], cache: CACHE, createdAt: madeAt };
  }

  #options(signal: AbortSignal): FindOptions {
    const ttl = this.#vertex.metadata.policy?.ttl?.ms ?? Infinity;
    return { mode: this.#mode === "verify" ? "contents" : this.#mode, since: Date.now() - ttl, signal };
  }

  /** Says whether an earlier run would be recalled on a root that does not exist yet. Undefined: that is not known. */
  async foresee(
    inputs: readonly (Result | undefined)[],
    rootFor: (run: KnownRun) => Promise<readonly ComparedLayer[] | undefined>,
    signal: AbortSignal,
  ): Promise<
    { readonly kind: "hit"; readonly run: KnownRun } | { readonly kind: "miss"; readonly text: string } | undefined
  > {
    const { op } = this.#exec;
    const isKnown = op.mounts.every(
      ({ dest, input }) => dest === ROOT_MOUNT || input === EMPTY || inputs[input] !== undefined,
    );
    if (!isKnown || !(await this.mayRecall())) return undefined;
    const step = await this.#key(inputs, { ...this.#deps.hold, signal });
    const found = await this.#runs.foresee(step, { ...this.#options(signal), rootFor });
    if (found.kind === "hit") return found;
    return found.kind === "miss" && found.seen !== undefined
      ? { kind: "miss", text: `traced: ${seenText(found.seen)}` }
      : undefined;
  }

  /** Returns the layers of a record, lowest first. */
  layersOf(id: RecordId): readonly ComparedLayer[] {
    return this.#runs.layersOf(id);
  }

  /** The index of the input that the root starts as. */
  get rootInput(): number {
    return this.#exec.op.mounts.find(({ dest }) => dest === ROOT_MOUNT)?.input ?? EMPTY;
  }

  /** Returns whether an earlier run may be recalled, whatever the inputs are. */
  async mayRecall(): Promise<boolean> {
    if (this.#mode === "verify" || untraceable(this.#exec.op) !== undefined) return false;
    return await this.#runs.knows(await this.#op(), this.#deps.hold.signal ?? new AbortController().signal);
  }

  async execute(inputs: readonly Result[], context: OpContext): Promise<readonly Result[]> {
    const { op } = this.#exec;
    const found = this.#recollection;
    if (found.kind === "miss" && found.seen !== undefined) log(context, `traced: ${seenText(found.seen)}`);
    const hold = holdFor(this.#deps, context);
    const problem = untraceable(op);
    if (problem !== undefined) return await this.#untraced(problem, inputs, context);
    const step = await this.#inputs(inputs, hold);
    if (this.#runs.isDistrusted(step.op)) return await executeExec(this.#exec, inputs, this.#deps, context);
    const trace = new StepTrace(context.signal);
    const results = await executeExec({ ...this.#exec, trace }, inputs, this.#deps, context);
    const [result] = results;
    if (result?.kind !== "record") return results;
    if (this.#mode === "verify" && !(await this.#isVerified(step.op, result.id, context))) return results;
    this.#save(step, result.id, trace.accesses, context);
    return results;
  }

  #save(step: TracedInputs, result: RecordId, { root, mounts }: StepAccesses, context: OpContext): void {
    if (root.kind === "unknown") {
      log(context, `not traced: ${root.reason}`);
      return;
    }
    if (mounts.kind === "unknown") log(context, `traced: bind mounts count as a whole: ${mounts.reason}`);
    const traces = mounts.kind === "known" ? mounts.value : undefined;
    this.#runs.save(step, { result, madeAt: Date.now(), accesses: root.value, traces });
  }

  async #untraced(problem: string, inputs: readonly Result[], context: OpContext): Promise<readonly Result[]> {
    log(context, `not traced: ${problem}`);
    return await executeExec(this.#exec, inputs, this.#deps, context);
  }

  /** Compares the result of the run with the one that it would have been taken from. */
  async #isVerified(op: Digest, result: RecordId, context: OpContext): Promise<boolean> {
    const found = this.#recollection;
    if (found.kind !== "hit") return true;
    const differences = await this.#runs.verify(op, found.run, result, context.signal);
    if (differences === undefined) return true;
    if (differences.length === 0) {
      log(context, "verified (traced): the earlier result has the same files");
      return true;
    }
    const paths = differences.slice(0, 5).map(({ path }) => showPath(pathOfByteString(path)));
    const more = differences.length > paths.length ? ` and ${differences.length - paths.length} more` : "";
    const short = `The step is not traced any more: a run that read the same files made others: ${paths.join(", ")}${more}`;
    context.report({ kind: "warning", short });
    return false;
  }

  /** Returns the cache digest of the op. */
  async #op(): Promise<Digest> {
    return await withSecrets(cacheMapOf(this.#vertex).digest, this.#vertex.metadata.policy, this.#deps);
  }

  async #inputs(inputs: readonly Result[], hold: Hold): Promise<TracedInputs> {
    const known = this.#step;
    if (known?.inputs.every((input, at) => input === inputs[at]) === true) return known.step;
    const step = await this.#identify(inputs, hold);
    this.#step = { inputs, step };
    return step;
  }

  async #identify(inputs: readonly Result[], hold: Hold): Promise<TracedInputs> {
    const root = inputs[this.rootInput];
    const key = await this.#key(inputs, hold);
    return { ...key, root: root === undefined ? SCRATCH : await recordOf(root, this.#deps, hold) };
  }

  async #key(inputs: readonly (Result | undefined)[], hold: Hold): Promise<TracedStepKey> {
    const { op } = this.#exec;
    const keys = cacheMapOf(this.#vertex);
    const known = new Map<string, Promise<Digest | undefined>>();
    const digest: DigestInput = (input, index, selectors) =>
      known.getOrInsertComputed(JSON.stringify([index, selectors]), () =>
        contentDigest(input, selectors, this.#deps, hold),
      );
    const others: string[] = [];
    const rest: string[] = [];
    for (const { dest, input: index, type } of op.mounts) {
      const input = dest === ROOT_MOUNT ? undefined : inputs[index];
      if (input === undefined || index === EMPTY) continue;
      const key = (await digest(input, index, keys.inputs[index]?.content ?? [wholeTree])) ?? "";
      others.push(key);
      if (type !== "bind") rest.push(key);
    }
    const mounts = bindMounts(op).length === 0 ? undefined : await filesInMounts(op, inputs, digest);
    return {
      op: await this.#op(),
      others: digestOf(others.join("\n")),
      mounts: mounts && { rest: digestOf(rest.join("\n")), mounts },
    };
  }
}

/** Returns why a step cannot be traced; undefined if it can. */
function untraceable({ mounts, security, cdiDevices }: ExecOp): string | undefined {
  if (security === "insecure") return "with security=insecure it can mount what is not seen";
  if (cdiDevices.length > 0) return "it uses devices";
  const root = mounts.find(({ dest }) => dest === ROOT_MOUNT);
  if (root?.type !== "bind" || root.readonly || root.output !== 0) return "its root is not its only output";
  const others = mounts.filter((mount) => mount !== root);
  return others.some(hasOutput) ? "it has several outputs" : undefined;
}

/** True for a mount that becomes a result of the step. */
function hasOutput({ type, input, output }: Mount): boolean {
  return output !== SKIP_OUTPUT && (type === "bind" || (type === "cache" && input !== EMPTY));
}

function seenText({ change, why, mount }: SeenDifference): string {
  const path = shownPath(change.path, mount);
  if (why === "read") return `${path} ${TEXTS[change.kind]}, which the step reads`;
  if (why === "written") return `${path} ${TEXTS[change.kind]}, which the step changes`;
  return `${path} ${TEXTS[change.kind]}`;
}

function shownPath(path: ByteString, mount: string | undefined): string {
  const shown = showPath(pathOfByteString(path));
  if (mount === undefined) return shown;
  return shown === "/" ? `the mount ${mount}` : `${shown.slice(1)} in the mount ${mount}`;
}

const TEXTS: Readonly<Record<SeenDifference["change"]["kind"], string>> = {
  added: "was added",
  removed: "was removed",
  content: "changed",
  attributes: "has another mode, owner or target",
  type: "has another type",
};

function log(context: OpContext, text: string): void {
  context.report({ kind: "log", stream: 1, data: Buffer.from(`${text}\n`) });
}
