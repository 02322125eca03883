import { fault } from "../../dockerfile/index.ts";
import { type Edge, type SourceOp, walkVertices } from "../../llb/index.ts";
import type { CompileContext } from "../compile-context.ts";
import { historyTime } from "../config/history.ts";
import { withLocationAsync } from "../error-location.ts";
import type { CompileHost } from "../options.ts";
import { ImageLookup } from "../stages/image-lookup.ts";
import { findNamedContext, loadNamedContext } from "../stages/named-context.ts";
import { stageSource } from "./stage-source.ts";

const EPOCH = "SOURCE_DATE_EPOCH";

/** A graph whose time is the epoch, and its name in progress. */
interface TimedGraph {
  readonly edge: Edge | undefined;
  readonly name: string;
}

/** Returns the graph that the value names: the main context, a named context or a stage. */
async function namedGraph(
  value: string,
  context: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
): Promise<TimedGraph> {
  const { file, options } = context;
  if (value === "context") return { edge: mainEdge(options), name: "[internal] resolve main build context metadata" };
  const ref = findNamedContext(context, value);
  if (ref !== undefined) {
    const loaded = await loadNamedContext(ref, { context, host, images: new ImageLookup(host, signal), signal });
    const { edge } = loaded.makeState(undefined);
    return { edge, name: `[internal] resolve ${EPOCH} named context ${value}` };
  }
  const stage = file.stages.find(({ name }) => name !== "" && name === value.toLowerCase());
  if (stage === undefined) throw fault(`invalid ${EPOCH}: ${value}`);
  const { edge } = stageSource(stage, context);
  return { edge, name: `[internal] resolve ${EPOCH} source stage ${stage.name}` };
}

function mainEdge({ context: main }: CompileContext["options"]): Edge | undefined {
  if (main === undefined) return undefined;
  return main.kind === "state" ? main.state.edge : main.origin;
}

/** Returns the source of a graph that has exactly one. */
function onlySource(edge: Edge | undefined): SourceOp | undefined {
  const ops = edge === undefined ? [] : walkVertices([edge.vertex]).map(({ op }) => op);
  const [source, ...more] = ops.filter((op) => op.kind === "source");
  return more.length === 0 ? source : undefined;
}

async function readEpoch(
  text: string,
  context: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  if (/^[+-]?\d{1,15}$/.test(text)) {
    historyTime(Number(text));
    return Number(text);
  }
  const { edge, name } = await namedGraph(text, context, host, signal);
  const source = onlySource(edge);
  return source && (await host.sourceTime?.({ source, platform: context.target, name, signal }));
}

/**
 * Resolves SOURCE_DATE_EPOCH: seconds since 1970, or the name of a source whose time it is. Returns the context with the epoch, and
 * with the argument in seconds. The argument is removed if the source has no time.
 *
 * @throws {VarveError} `invalid-build` for a value that is neither, or that names a stage with more than one source.
 * @see moby/buildkit frontend/dockerfile/dockerfile2llb/epoch.go
 */
export async function withEpoch(
  context: CompileContext,
  host: CompileHost,
  signal: AbortSignal | undefined,
): Promise<CompileContext> {
  const given = context.buildArgs.get(EPOCH);
  const text = given ?? context.globals.values.get(EPOCH) ?? "";
  if (text === "" && given === undefined) return context;
  const read = async (): Promise<number | undefined> => await readEpoch(text, context, host, signal);
  const range = given === undefined ? context.globals.infos.get(EPOCH)?.range : undefined;
  const located = range === undefined ? read : () => withLocationAsync(context.file.source, range, read);
  const epoch = text === "" ? undefined : await located();
  const replace = (values: ReadonlyMap<string, string>): Map<string, string> => {
    const copy = new Map(values);
    if (epoch === undefined) copy.delete(EPOCH);
    else if (copy.has(EPOCH)) copy.set(EPOCH, String(epoch));
    return copy;
  };
  const globals = { ...context.globals, values: replace(context.globals.values) };
  return { ...context, epoch, globals, buildArgs: replace(context.buildArgs) };
}
