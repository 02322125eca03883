import { VarveError, hostPlatform, isVarveError } from "../../core/index.ts";
import { type ExportReport, serveBuild } from "../../engine/index.ts";
import { type LocalImage, keepUntagged, openLocalImage } from "../../image/index.ts";
import { holdImage } from "../../images/index.ts";
import type { Hold } from "../../record/index.ts";
import type { OpenedContext } from "../builder/context/open-context.ts";
import { failure } from "../builder/failure.ts";
import { type Output, shortId } from "../builder/output.ts";
import { projectOf } from "../builder/project.ts";
import type { BuildDeps, BuildRequest } from "../builder/types.ts";
import { engineSettings } from "./settings.ts";
import { engineSteps } from "./steps.ts";
import { Transcript } from "./transcript.ts";

export interface EngineBuild {
  readonly context: OpenedContext;
  /** What the Dockerfile needs the engine for. */
  readonly feature: string;
  /** True if a front end that is an image reads the Dockerfile. */
  readonly isForeign?: boolean | undefined;
  readonly deps: BuildDeps;
  /** Its lease keeps the image. */
  readonly hold: Hold & { readonly signal: AbortSignal };
  readonly output: Output;
}

/**
 * Builds a request with the engine, which has all of BuildKit's language and its own cache, and returns the image. Messages have the
 * words of the classic builder. The image has no name yet.
 *
 * @throws {VarveError} Those of the engine. A failed command has the daemon's message, and `details.exitCode`.
 */
export async function buildByEngine(request: BuildRequest, build: EngineBuild): Promise<LocalImage> {
  const { context, feature, deps, hold, output } = build;
  const transcript = new Transcript(output, { explains: isExplained(deps) });
  if (build.isForeign === true) transcript.follow();
  let image: LocalImage | undefined;
  try {
    await serveBuild(
      {
        ...engineSettings(request, feature),
        frontendImages: deps.frontendImages,
        store: deps.store,
        explain: isExplained(deps),
        context:
          context.tree === undefined
            ? { kind: "empty" }
            : { kind: "directory", path: context.tree.path, lasting: false },
        dockerfile: { kind: "text", text: context.dockerfile.toString("utf8"), name: request.dockerfile },
        signal: hold.signal,
        onEvent: (event) => transcript.event(event),
      },
      {
        credentials: request.credentials,
        frontends: deps.frontends,
        project: projectOf(request),
        secretHint: "send it in the header X-Varve-Secrets",
        onCompiled: (file, compiled) => transcript.begin(engineSteps(file, compiled[0]?.sources ?? new Map(), request)),
        onExported: async (exported) => void (image = await keepImage(exported, request, build)),
      },
    );
  } catch (error) {
    throw failed(error, transcript);
  }
  if (image === undefined) throw failure(500, "No image was generated. Is your Dockerfile empty?");
  transcript.end();
  output.text(` ---> ${shortId(image.id)}\n`);
  output.send({ aux: { ID: image.id } });
  return image;
}

function isExplained({ explains = false }: BuildDeps): boolean {
  return explains !== false;
}

/** Opens the exported image, lets the build's lease keep it, and keeps it without a name if the request has none. */
async function keepImage(
  { descriptors }: ExportReport,
  request: BuildRequest,
  { deps, hold }: EngineBuild,
): Promise<LocalImage> {
  const descriptor = descriptors.get(0);
  if (descriptor === undefined) throw failure(500, "No image was generated. Is your Dockerfile empty?");
  const image = await openLocalImage(deps.store, descriptor, request.platform ?? hostPlatform(), hold.signal);
  if (!holdImage(image, deps.store, hold))
    throw new VarveError("storage", `Cannot keep image ${image.id}: it was removed while it was built`);
  if (request.tags.length === 0) keepUntagged(deps.store, image);
  deps.onImage?.({ kind: "create", image, name: image.id });
  return image;
}

/** The keyword and the flags of an instruction. */
const FLAGS = /^\S+(?:\s+--\S+)*\s+/;

/** Writes what is left of the transcript, and returns the error of a command in the daemon's words. */
function failed(error: unknown, transcript: Transcript): unknown {
  if (!isVarveError(error)) return error;
  const step = transcript.fail(error.details.vertex);
  const { exitCode } = error.details;
  if (error.code !== "step-failed" || exitCode === undefined || step?.kind !== "run") return error;
  const command = step.text.replace(FLAGS, "");
  return new VarveError(error.code, `The command '${command}' returned a non-zero code: ${exitCode}`, {
    details: error.details,
    cause: error,
  });
}
