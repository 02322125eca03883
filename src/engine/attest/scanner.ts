import {
  SBOM_NAME,
  SPDX_TYPE,
  type SbomParameters,
  type ScanRequest,
  type Scanner,
  sbomParameters,
  scanStep,
} from "../../attest/index.ts";
import { formatWholePlatform, hostPlatform, isVarveError, normalizePlatform } from "../../core/index.ts";
import type { Attestation } from "../../export/index.ts";
import type { CompileHost, CompileResult, ResolveMode } from "../../frontend/index.ts";
import type { Edge } from "../../llb/index.ts";
import type { RecordId } from "../../record/index.ts";

/**
 * Looks up the generator that a request asks for. Undefined if the request names none and the default one cannot be pulled: `SbomMaker`
 * then takes its place.
 *
 * @throws {VarveError} `invalid-argument` for parameters that cannot be used; the errors of looking up an image.
 */
export async function findScanner(
  fields: ReadonlyMap<string, string>,
  host: CompileHost,
  mode: ResolveMode = "default",
): Promise<OpenedScanner | undefined> {
  const parameters = sbomParameters(fields);
  const platform = hostPlatform();
  const { generator } = parameters;
  const name = `resolve image config for docker-image://${generator}`;
  const found = await orNothing(parameters, () => host.resolveImage({ reference: generator, platform, mode, name }));
  return found && new OpenedScanner({ parameters, platform, config: found.config });
}

async function orNothing<T>({ isNamed }: SbomParameters, find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (isNamed || !isVarveError(error, "remote", "not-found", "unauthorized")) throw error;
    return undefined;
  }
}

/** A generator of SBOMs that a build runs. */
export class OpenedScanner {
  readonly #scanner: Scanner;

  constructor(scanner: Scanner) {
    this.#scanner = scanner;
  }

  /** Returns the step that scans a filesystem. */
  step(request: ScanRequest): Edge {
    return scanStep(this.#scanner, request);
  }

  /** Returns the step that scans what a Dockerfile was compiled to. */
  stepFor({ platform, state, scans, ignoreCache }: CompileResult): Edge {
    const id = formatWholePlatform(normalizePlatform(platform));
    return this.step({ id, core: state, extras: scans, ignoreCache });
  }
}

/** Returns the statements that a scan has made, as attestations of a result. */
export function scanned(record: RecordId): Attestation {
  return {
    predicateType: SPDX_TYPE,
    content: { kind: "bundle", record, path: "/" },
    fileName: "",
    inlineOnly: false,
    coreName: SBOM_NAME,
  };
}
