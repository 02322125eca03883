import { VarveError, isVarveError } from "../../../core/index.ts";
import { type Dockerfile, type LintWarning, hasLocation, sourceFile } from "../../../dockerfile/index.ts";
import {
  type CompileHost,
  type CompileOptions,
  checkDockerfile,
  compileDockerfile,
  listTargets,
  outline,
} from "../../../frontend/index.ts";
import { subrequestDetail } from "../errors/detail.ts";
import { withDetail } from "../errors/status.ts";
import { convertedMetadata } from "./subrequests/convert-llb.ts";
import { describeMetadata } from "./subrequests/describe.ts";
import { lintMetadata } from "./subrequests/lint.ts";
import { outlineMetadata } from "./subrequests/outline.ts";
import type { SubrequestMetadata } from "./subrequests/metadata.ts";
import { targetsMetadata } from "./subrequests/targets.ts";

/** What a subrequest is about. */
export interface SubrequestSubject {
  /** Reads the Dockerfile and the options of the build. Adds what the parser warns of to `warnings`. */
  readonly load: (warnings?: LintWarning[]) => Promise<{ readonly file: Dockerfile; readonly options: CompileOptions }>;
  readonly host: CompileHost;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Answers a subrequest of `dockerfile.v0`: a question about a Dockerfile, for which no step runs. Returns the metadata of the result.
 *
 * @throws {GrpcError} for an unknown request. @throws {VarveError} as `outline`, `compileDockerfile` and the subject.
 */
export async function subrequest(id: string, subject: SubrequestSubject): Promise<SubrequestMetadata> {
  const { host, signal } = subject;
  switch (id) {
    case "frontend.subrequests.describe":
      return describeMetadata();
    case "frontend.outline": {
      const { file, options } = await subject.load();
      const found = await outline(file, options, host, signal);
      // BuildKit's front end needs the configs of all base images.
      if (found.missing[0] !== undefined) throw found.missing[0];
      return outlineMetadata(found, file.source);
    }
    case "frontend.targets": {
      const { file } = await subject.load();
      return targetsMetadata(listTargets(file), file.source);
    }
    case "frontend.lint":
      return await lint(subject);
    case "frontend.convertllb": {
      const { file, options } = await subject.load();
      return convertedMetadata(await compileDockerfile(file, options, host, signal), file.source);
    }
    default: {
      const message = `unsupported request ${id}`;
      throw withDetail(new VarveError("unsupported", message), subrequestDetail(id), message);
    }
  }
}

/** Checks a Dockerfile. An error in it is a part of the result. */
async function lint({ load, host, signal }: SubrequestSubject): Promise<SubrequestMetadata> {
  const warnings: LintWarning[] = [];
  try {
    const { file, options } = await load(warnings);
    return lintMetadata(await checkDockerfile(file, options, host, signal), file.source);
  } catch (error) {
    if (!isVarveError(error) || !hasLocation(error)) throw error;
    const { location, sourceText = "" } = error.details;
    return lintMetadata({ warnings, missing: [], error }, sourceFile(location?.file ?? "Dockerfile", sourceText));
  }
}
