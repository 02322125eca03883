import type { NamedContext, ResolveMode } from "../../frontend/index.ts";
import type { Edge } from "../../llb/index.ts";
import type { RequestTrace } from "../attest/request-trace.ts";
import type { BuildContext, BuildSettings, DockerfileSource } from "./options.ts";

/** A directory of the build's client, by the name of its local source. */
export interface ClientDirectory {
  readonly kind: "client";
  readonly name: string;
}

/** The result of a graph. An absent edge is scratch. */
export interface GraphContext {
  readonly kind: "graph";
  readonly edge: Edge | undefined;
}

/** A Dockerfile in a directory of the client, or in the result of a graph. */
export type RemoteDockerfile = (ClientDirectory | GraphContext) & { readonly path: string };

/** What is compiled: the settings of a build, with contexts and a Dockerfile that the client of a server can have. */
export interface CompileSettings extends Omit<BuildSettings, "context" | "dockerfile"> {
  readonly context: BuildContext | ClientDirectory | GraphContext;
  readonly dockerfile?: DockerfileSource | RemoteDockerfile | undefined;
  /** Named contexts that are already resolved, by name. They are used before those of `buildContexts`. */
  readonly namedContexts?: ReadonlyMap<string, NamedContext> | undefined;
  /** The directory of a context to use instead of its root, unless the context is a directory of the client. */
  readonly contextSubdir?: string | undefined;
  /** Host name of steps. The build argument `BUILDKIT_SANDBOX_HOSTNAME` takes precedence. */
  readonly hostname?: string | undefined;
  /** The session whose client has the local directories. Default: a new one. */
  readonly sessionId?: string | undefined;
  /** Default: `pull` if the build pulls. */
  readonly resolveMode?: ResolveMode | undefined;
  /** Gets what is read besides the graphs of the results. */
  readonly trace?: RequestTrace | undefined;
}
