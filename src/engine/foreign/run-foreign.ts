import { VarveError } from "../../core/index.ts";
import { RequestTrace } from "../attest/request-trace.ts";
import type { OpenedBuild } from "../compile.ts";
import type { CompileSettings } from "../options/compile-settings.ts";
import type { BuildSettings } from "../options/options.ts";
import type { Session } from "../session.ts";
import { foreignAttributes } from "./attributes.ts";
import { shareDirectories } from "./directories.ts";
import type { ForeignFrontends, ForeignResult } from "./port.ts";

/** What running a front end needs of a build of this process. */
export interface ForeignParts {
  readonly session: Session;
  readonly stack: AsyncDisposableStack;
  readonly frontends?: ForeignFrontends | undefined;
  /** The question to ask, such as `frontend.outline`. Default: build. */
  readonly question?: string | undefined;
}

/**
 * Lets the front end that a Dockerfile names build it, or answer a question about it.
 *
 * @throws {VarveError} `unsupported` if nobody runs front ends, and as `ForeignFrontends.run`.
 */
export async function runForeign(
  { foreign, context }: OpenedBuild,
  options: BuildSettings & Pick<CompileSettings, "trace">,
  { session, stack, frontends, question }: ForeignParts,
): Promise<ForeignResult> {
  if (foreign === undefined || frontends === undefined)
    throw new VarveError("unsupported", `Cannot run the front end ${foreign?.image}: this process runs none`);
  await shareDirectories(context, options, session, stack);
  const attributes = foreignAttributes(options);
  return await frontends.run({
    frontend: foreign,
    attributes: question === undefined ? attributes : new Map([...attributes, ["requestid", question]]),
    images: options.frontendImages ?? "auto",
    session,
    stack,
    trace: options.trace ?? new RequestTrace(),
  });
}
