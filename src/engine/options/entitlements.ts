import { VarveError } from "../../core/index.ts";
import { type Edge, type Vertex, walkVertices } from "../../llb/index.ts";
import { vertexName } from "../graph.ts";
import type { BuildOptions } from "./options.ts";

/** BuildKit's entitlements: privileges that a build has only if `allow` contains them. */
const ENTITLEMENTS = ["network.host", "security.insecure", "device"] as const;
type Entitlement = (typeof ENTITLEMENTS)[number];

/**
 * Returns the entitlements of a build. A build with the host's network has `network.host`.
 *
 * @throws {VarveError} `invalid-argument` for an unknown entitlement.
 */
export function allowedEntitlements({
  allow = [],
  network,
}: Pick<BuildOptions, "allow" | "network">): ReadonlySet<string> {
  const unknown = allow.find((name) => !ENTITLEMENTS.some((known) => known === name));
  if (unknown === undefined) return new Set(network === "host" ? [...allow, "network.host"] : allow);
  throw new VarveError(
    "invalid-argument",
    `Cannot allow ${JSON.stringify(unknown)}: the entitlements are network.host and security.insecure`,
  );
}

/** Checks whole graphs before a step runs. Throws `invalid-build` if a step needs an entitlement that the build does not have. */
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
