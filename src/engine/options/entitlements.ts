import { VarveError } from "../../core/index.ts";
import { type Edge, type Vertex, walkVertices } from "../../llb/index.ts";
import { vertexName } from "../graph.ts";
import type { BuildOptions } from "./options.ts";

/** What a build may be allowed to do beyond the ordinary. */
const ENTITLEMENTS = ["network.host", "security.insecure", "device"] as const;
type Entitlement = (typeof ENTITLEMENTS)[number];

/**
 * What a build is allowed; one that is itself given the host's network may give it to its steps. Throws `invalid-argument`
 * for an entitlement nobody knows.
 */
export function allowedEntitlements({
  allow = [],
  network,
}: Pick<BuildOptions, "allow" | "network">): ReadonlySet<string> {
  const unknown = allow.find((name) => !ENTITLEMENTS.some((known) => known === name));
  if (unknown === undefined) return new Set(network === "host" ? [...allow, "network.host"] : allow);
  throw new VarveError(
    "invalid-argument",
    `Cannot allow ${JSON.stringify(unknown)}: there are network.host and security.insecure`,
  );
}

/** Throws `invalid-build` if a step of the graphs needs what the build was not allowed; no step has run then. */
export function checkEntitlements(edges: readonly Edge[], allowed: ReadonlySet<string>): void {
  for (const vertex of walkVertices(edges.map((edge) => edge.vertex))) {
    const missing = needs(vertex).find((entitlement) => !allowed.has(entitlement));
    if (missing !== undefined) throw notAllowed(vertex, missing);
  }
}

function needs({ op }: Vertex): Entitlement[] {
  if (op.kind !== "exec") return [];
  const needed: Entitlement[] = [];
  if (op.network === "host") needed.push("network.host");
  if (op.security === "insecure") needed.push("security.insecure");
  return needed;
}

function notAllowed(vertex: Vertex, entitlement: Entitlement): VarveError {
  return new VarveError("invalid-build", `Cannot run ${vertexName(vertex)}: ${entitlement} is not allowed`, {
    hint: `Pass --allow ${entitlement} if you trust the Dockerfile.`,
    details: { entitlement, vertex: vertex.digest },
  });
}
