import {
  EagerExports,
  Progress,
  RequestTrace,
  Session,
  exportCaches,
  exportFailed,
  blobsFor,
  exportTargets,
  grantEntitlements,
  prepareExports,
  readCacheExports,
} from "../../../engine/index.ts";
import { type BuildOutput, type ExportReport, type OnBuildEvent, withReasonLogs } from "../../../engine/index.ts";
import { hostPlatform, messageOf, redact } from "../../../core/index.ts";
import { SessionClient } from "../client/session-client.ts";
import type { Daemon } from "../daemon.ts";
import type { Attributes } from "../dockerfile/attributes.ts";
import { requestedImports } from "../dockerfile/cache-imports.ts";
import { loadInputs } from "../frontend/load-inputs.ts";
import { FrontendBudget } from "../frontend/image/budget.ts";
import type { FrontendBuild } from "../frontend/request.ts";
import { runFrontend } from "../frontend/run-frontend.ts";
import { ForwardedBuild } from "../gateway/forwarded-build.ts";
import { GatewayRefs, type RefHost } from "../gateway/gateway-refs.ts";
import { type RecordedBuild, completeRecord, startRecord } from "../history/record.ts";
import { Job } from "../jobs/job.ts";
import { buildPolicies, policedHost, urlJudge } from "../policy/build-policy.ts";
import { clientVerifier } from "../policy/policy-session.ts";
import { type GraphLoading, loadDefinition, loadRef } from "../result/definition.ts";
import { type FrontendResult, refsOf } from "../result/result.ts";
import type { VertexSources } from "../result/sources.ts";
import { targetsOf } from "../result/targets.ts";
import { verifyPlatforms, withRequest } from "../result/verify-platforms.ts";
import { type ActiveBuild, StatusLog } from "../../../history/index.ts";
import { type RecordedProvenance, openAttesting, recordedProvenance } from "./attesting.ts";
import type { BuildRequest } from "./build-request.ts";
import { buildError } from "../errors/build-error.ts";
import { withScans } from "../result/scan.ts";
import { imageNames, namedOutputs, outputsOf } from "./exporters.ts";
import { type ExporterResponse, responseOf } from "./response.ts";

/**
 * Builds what a client asks for, and returns what its exporters say. The client may end its session as soon as the call returns, so
 * everything that needs the session has ended by then.
 *
 * @throws {GrpcError} with BuildKit's text and details.
 */
export async function solve(request: BuildRequest, daemon: Daemon, signal: AbortSignal): Promise<ExporterResponse> {
  const status = new StatusLog();
  const job = new Job(request.ref, status);
  using _collected = { [Symbol.dispose]: () => daemon.collector?.schedule() };
  using _added = daemon.jobs.add(request.ref, job);
  using record = startRecord(daemon.history, request);
  const found: Found = { result: undefined, refs: undefined, exported: undefined, provenance: undefined };
  const outcome = await settle(() =>
    runBuild({ request, daemon, signal, status, onForwarded: (build) => job.drive(build), found }),
  );
  const error = outcome.kind === "failed" ? buildError(outcome.error, sourcesOf(found)) : undefined;
  job.end(error);
  status.close();
  if (record !== undefined) await store(record, { ...found, status, error }, daemon);
  if (outcome.kind === "failed") throw error;
  return outcome.value;
}

/** Stores the record of a build. A build does not fail because it cannot be recorded. */
async function store(record: ActiveBuild, build: RecordedBuild, daemon: Daemon): Promise<void> {
  try {
    await completeRecord(record, build, daemon.store.content);
  } catch (error) {
    daemon.warn(`build ${record.record.ref} was not recorded: ${messageOf(error)}`);
  }
}

/** Returns the positions of what was being built, and of the graphs that the client solved on the way. */
function sourcesOf({ result, refs }: Found): VertexSources[] {
  const own = result === undefined ? [] : refsOf(result).flatMap((ref) => ref?.sources ?? []);
  return [...own, ...(refs?.sources ?? [])];
}

type Outcome<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "failed"; readonly error: unknown };

async function settle<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { kind: "done", value: await work() };
  } catch (error) {
    return { kind: "failed", error };
  }
}

/** What is known of a build so far. */
interface Found {
  /** Has the positions of vertices that fail. */
  result: FrontendResult | undefined;
  /** The filesystems of a client that drives its build. */
  refs: GatewayRefs | undefined;
  exported: ExportReport | undefined;
  provenance: RecordedProvenance | undefined;
}

interface Run {
  readonly request: BuildRequest;
  readonly daemon: Daemon;
  readonly signal: AbortSignal;
  readonly status: StatusLog;
  /** Called when the client can drive its build. */
  readonly onForwarded: (build: ForwardedBuild) => void;
  readonly found: Found;
}

/** Returns what says which project a request builds: where its context is, as far as the client says it, and the Dockerfile. */
async function projectOf({ attributes, sessionId }: BuildRequest, client: SessionClient): Promise<string> {
  const names = ["context", "filename", "vcs:localdir:context", "vcs:localdir:dockerfile"];
  const sharedKey = sessionId === "" ? "" : (await client.session(sessionId)).sharedKey;
  return redact(JSON.stringify([sharedKey, ...names.map((name) => attributes.get(name) ?? "")]));
}

async function runBuild(run: Run): Promise<ExporterResponse> {
  const { request, daemon, signal } = run;
  await using stack = new AsyncDisposableStack();
  const allowed = grantEntitlements(request.entitlements, daemon.entitlements);
  const client = stack.use(new SessionClient(daemon, request.sessionId, signal));
  client.useSessions(request.attributes);
  const own = outputsOf(request.exporters, client);
  const caches = await readCacheExports({ cacheTo: request.cacheExports }, { machine: false });
  const verifier =
    request.policySession === ""
      ? undefined
      : clientVerifier({
          session: () => client.session(request.policySession),
          sourceMeta: async (asked) => await session.sourceMeta(asked.name, asked.request),
          signal,
        });
  const policies = buildPolicies(request.policies, { verifier, signal });
  const policy = policies.policyOf([]);
  const loading: GraphLoading = { signal, applyPolicy: policy?.apply };
  const append: OnBuildEvent = (event) => run.status.append(event);
  const session = stack.use(
    await Session.open({
      store: daemon.store,
      client,
      progress: new Progress(daemon.explains ? withReasonLogs(append) : append),
      ref: request.ref,
      project: async () => await projectOf(request, client),
      allowed,
      cacheFrom: requestedImports(request.cacheImports, request.attributes),
      loadGraph: async (definition, stop) => (await loadRef(definition, { ...loading, signal: stop }))?.edge,
      proxy: request.proxyNetwork || daemon.proxyNetwork ? { judge: policy && urlJudge(policy) } : undefined,
      wrapHost: policy && ((host) => policedHost(host, policy)),
      pullPolicy: "newest",
      traced: daemon.traced,
      explain: daemon.explains,
      hints: false,
      keepFailed: request.subject.kind === "forwarded",
      signal,
    }),
  );
  await prepareExports(caches, session);
  const scope = scopeOf(request.attributes);
  const trace = new RequestTrace();
  const known = request.sessionExporters ? undefined : own;
  const eager = stack.use(new EagerExports(caches, { scope, session, outputs: known }));
  try {
    const inputs = await daemon.produced.inputs(await loadInputs(request.inputs, loading));
    const attesting = await openAttesting(request, { session, environment: daemon.provenance, inputs });
    stack.use(attesting.maker);
    const build: FrontendBuild = {
      client,
      session,
      stack,
      loading,
      policies,
      produced: daemon.produced,
      host: daemon.frontends,
      budget: new FrontendBudget(),
      run: runFrontend,
    };
    const opened = { build, session, trace };
    const made = await withScans(await resultOf(run, opened), request.attributes, opened);
    const result = withRequest(made, request.attributes);
    run.found.result = result;
    await verifyPlatforms(result, request.attributes, session.progress);
    const isExported = request.exporters.length > 0 || request.sessionExporters;
    const targets = isExported ? targetsOf(result, trace) : { edges: refsOf(result).map((ref) => ref?.edge) };
    // The outputs of the session are not known yet.
    const blobs = isExported && !request.sessionExporters ? await blobsFor(own) : undefined;
    const results = await session.solve(targets.edges, blobs);
    session.finish();
    const outputs = [...own, ...(await sessionOutputs(run, { client, session, stack }, result))];
    const inline = caches.some(({ type }) => type === "inline");
    const settings = { ...attesting, outputs: namedOutputs(outputs, result), inline };
    const exported = "source" in targets ? await exportTargets(targets, results, settings, session) : undefined;
    run.found.exported = exported;
    if (!request.internal) run.found.provenance = await recordedProvenance(result, trace, attesting);
    await announce(exported, outputs, daemon);
    await eager.stop();
    const response = responseOf(result, exported, await exportCaches(caches, scope, session));
    if (request.sessionExporters) await client.finalizeExport(response);
    return response;
  } catch (error) {
    await eager.stop();
    if (session.isUnfinished) await exportFailed(caches, scope, session);
    throw error;
  }
}

interface Opened {
  readonly build: FrontendBuild;
  /** That of the client's own request. */
  readonly trace: RequestTrace;
}

async function resultOf(run: Run, { build, trace }: Opened): Promise<FrontendResult> {
  const { request, signal } = run;
  const { loading, produced } = build;
  switch (request.subject.kind) {
    case "definition":
      return await loadDefinition(request.subject.definition, loading);
    case "frontend": {
      const { name } = request.subject;
      const { attributes, inputs: definitions, context } = request;
      const inputs = await loadInputs(definitions, loading);
      const asked = { frontend: name, options: attributes, inputs: await produced.inputs(inputs) };
      return await build.run(name, { attributes, inputs, definitions, context, trace: trace.nest(asked), build });
    }
    case "forwarded": {
      const refs = new GatewayRefs(build);
      run.found.refs = refs;
      // Its containers are released before the result is used, which needs none of them.
      await using forwarded = new ForwardedBuild({ build, refs, trace, inputs: request.inputs });
      run.onForwarded(forwarded);
      return await forwarded.result(signal);
    }
  }
}

/** Returns what the client's session wants of a result. Its files can be read by the calls of a build that the client drives. */
async function sessionOutputs(
  { request, found }: Run,
  { client, session, stack }: { readonly client: SessionClient } & RefHost,
  result: FrontendResult,
): Promise<BuildOutput[]> {
  if (!request.sessionExporters) return [];
  const known = found.refs ?? new GatewayRefs({ session, stack });
  const refs = refsOf(result).flatMap((ref) => (ref === undefined ? [] : [known.add(ref)]));
  const exporters = await client.findExporters({ metadata: Object.fromEntries(result.metadata), refs });
  return outputsOf(exporters, client, request.exporters.length);
}

/** Reports the images that were built into the store of Docker's daemon. */
async function announce(
  exported: ExportReport | undefined,
  outputs: readonly BuildOutput[],
  daemon: Daemon,
): Promise<void> {
  for (const [index, { digest }] of exported?.descriptors ?? []) {
    const output = outputs[index];
    if (output?.type === "moby") await daemon.onImage?.({ digest, names: imageNames(output.attrs) });
  }
}

/** Returns what distinguishes builds that write to the same cache. */
function scopeOf(attributes: Attributes): Parameters<typeof exportCaches>[1] {
  const buildArgs = [...attributes].filter(([key]) => key.startsWith("build-arg:"));
  return {
    dockerfile: attributes.get("filename") ?? "",
    target: attributes.get("target"),
    platforms: [attributes.get("platform") ?? hostPlatform().architecture],
    buildArgs: Object.fromEntries(buildArgs),
  };
}
