import { VarveError } from "../../core/index.ts";
import { type Edge, type Vertex, vertexName, walkVertices } from "../../llb/index.ts";
import type { BuildOptions } from "./options.ts";

/** BuildKit's entitlements: privileges that a build has only if `allow` contains them. */
const ENTITLEMENTS = ["network.host", "security.insecure", "device"] as const;
type Entitlement = (typeof ENTITLEMENTS)[number];

/** Returns the entitlement of `network.host`, `device`, `device=NAME` or `device=NAME,alias=OTHER`; undefined for another text. */
function entitlementOf(text: string): Entitlement | undefined {
  const name = text.startsWith("device=") ? "device" : text;
  return ENTITLEMENTS.find((known) => known === name);
}

/**
 * Returns the entitlements of a build. A build with the host's network has `network.host`.
 *
 * @throws {VarveError} `invalid-argument` for an unknown entitlement.
 */
export function allowedEntitlements({
  allow = [],
  network,
}: Pick<BuildOptions, "allow" | "network">): ReadonlySet<string> {
  const unknown = allow.find((name) => entitlementOf(name) === undefined);
  if (unknown === undefined) return new Set(network === "host" ? [...allow, "network.host"] : allow);
  throw new VarveError(
    "invalid-argument",
    `Cannot allow ${JSON.stringify(unknown)}: the entitlements are network.host, security.insecure and device`,
  );
}

/**
 * Returns the entitlements that a client requests, if its server grants them to clients.
 *
 * @throws {VarveError} `invalid-argument`, with BuildKit's texts, for an entitlement that is unknown or not granted.
 */
export function grantEntitlements(requested: readonly string[], granted: ReadonlySet<string>): ReadonlySet<string> {
  for (const text of requested) {
    const name = entitlementOf(text);
    if (name === undefined) throw new VarveError("invalid-argument", `unknown entitlement ${text}`);
    if (!granted.has(name))
      throw new VarveError(
        "invalid-argument",
        `granting entitlement ${name} is not allowed by build daemon configuration`,
      );
  }
  return new Set(requested);
}

/**
 * Checks whole graphs before a step runs, all but their devices. Throws `invalid-build` if a step needs an entitlement that the build does
 * not have.
 */
export function checkEntitlements(edges: readonly Edge[], allowed: ReadonlySet<string>): void {
  for (const vertex of walkVertices(edges.map((edge) => edge.vertex))) {
    const missing = needs(vertex).find((entitlement) => !allowed.has(entitlement));
    if (missing !== undefined) throw notAllowed(vertex, missing, `${missing} is not allowed`);
  }
}

function needs({ op }: Vertex): Entitlement[] {
  if (op.kind !== "exec") return [];
  const needed: Entitlement[] = [];
  if (op.network === "host") needed.push("network.host");
  if (op.security === "insecure") needed.push("security.insecure");
  return needed;
}

/** Returns the error of a build that lacks an entitlement for a vertex. */
export function notAllowed(vertex: Vertex, entitlement: string, why: string): VarveError {
  return new VarveError("invalid-build", `Cannot run ${vertexName(vertex)}: ${why}`, {
    hint: `Pass --allow ${entitlement} if you trust the Dockerfile.`,
    details: { entitlement, vertex: vertex.digest },
  });
}
