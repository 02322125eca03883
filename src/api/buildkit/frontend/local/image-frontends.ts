import { lineRange, sourceFile } from "../../../../dockerfile/index.ts";
import type { ForeignFrontends, ForeignRequest, ForeignResult, PlaceOf } from "../../../../engine/index.ts";
import { withScans } from "../../result/scan.ts";
import { buildPolicies } from "../../policy/build-policy.ts";
import { ProducedResults } from "../../result/produced.ts";
import { type FrontendResult, refsOf } from "../../result/result.ts";
import { targetsOf } from "../../result/targets.ts";
import { machinePlatforms, workerFacts } from "../../worker/facts.ts";
import { workerId } from "../../worker/identity.ts";
import { forwardRequest } from "../forward.ts";
import { FrontendBudget } from "../image/budget.ts";
import type { FrontendBuild } from "../request.ts";
import { runFrontend, runGateway } from "../run-frontend.ts";
import { localError } from "./local-error.ts";

/** Runs front ends that are images for builds of this process. */
export const imageFrontends: ForeignFrontends = { run };

async function run(request: ForeignRequest): Promise<ForeignResult> {
  const { frontend, attributes, session, trace } = request;
  try {
    const build = await frontendBuild(request);
    const asked = { attributes, inputs: new Map(), definitions: new Map(), trace, build };
    const made = await forwardRequest(frontend, asked, runGateway);
    const result = await withScans(made, attributes, { session, trace });
    return { ...targetsOf(result, trace), metadata: result.metadata, placeOf: placesOf(result) };
  } catch (error) {
    throw localError(error);
  }
}

async function frontendBuild({ images, session, stack }: ForeignRequest): Promise<FrontendBuild> {
  const { store } = session;
  const { signal = new AbortController().signal } = session.hold;
  const id = await workerId(store.root);
  return {
    session,
    stack,
    loading: { signal },
    policies: buildPolicies([], { signal }),
    client: { sessionId: session.id, useSessions: () => undefined },
    produced: new ProducedResults(),
    host: {
      images,
      repositories: [],
      worker: workerFacts(store, { id, labels: {}, platforms: machinePlatforms }),
    },
    budget: new FrontendBudget(),
    run: runFrontend,
  };
}

function placesOf(result: FrontendResult): PlaceOf {
  return (vertex) => {
    for (const ref of refsOf(result)) {
      const [position] = ref?.sources(vertex) ?? [];
      const [first] = position?.ranges ?? [];
      if (position === undefined || first === undefined) continue;
      const file = sourceFile(position.source.filename, Buffer.from(position.source.data).toString());
      return { file, range: lineRange(file, first.start.line, position.ranges.at(-1)?.end.line) };
    }
    return undefined;
  };
}
