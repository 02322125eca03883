import type { Devices, RegisteredDevice } from "../../cdi/index.ts";
import { type CdiDevice, type Edge, type ExecOp, type Vertex, walkVertices } from "../../llb/index.ts";
import { notAllowed } from "./entitlements.ts";

/** What the entitlements of a build say of devices. */
interface DeviceGrants {
  /** True if all devices are allowed. */
  readonly all: boolean;
  /** What is allowed, as a step may ask for it. */
  readonly names: readonly string[];
  /** The device that a step gets that asks for another name. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** Reads `device`, `device=NAME` and `device=NAME,alias=OTHER`. Other entitlements say nothing of devices. */
function grantsOf(allowed: ReadonlySet<string>): DeviceGrants {
  const names: string[] = [];
  const aliases = new Map<string, string>();
  for (const text of allowed) {
    if (!text.startsWith("device=")) continue;
    const [name = "", ...settings] = text.slice("device=".length).split(",");
    const alias = settings.findLast((each) => each.startsWith("alias="))?.slice("alias=".length) ?? "";
    if (alias === "") names.push(name);
    else aliases.set(alias, name);
  }
  return { all: allowed.has("device"), names, aliases };
}

/**
 * Checks whether a build may give its steps the devices that they ask for, before anything runs. Returns the graphs with the devices
 * that steps get by their full names, as BuildKit has them in cache keys, with the same digests. With the entitlement for all devices,
 * nothing changes.
 *
 * @throws {VarveError} `invalid-build`, with BuildKit's text, for a device that is not allowed; `not-found` for one that is not there.
 */
export async function grantDevices(
  edges: readonly Edge[],
  allowed: ReadonlySet<string>,
  load: () => Promise<Devices>,
): Promise<readonly Edge[]> {
  const vertices = walkVertices(edges.map((edge) => edge.vertex));
  if (!vertices.some(asksForDevices)) return edges;
  const grants = grantsOf(allowed);
  if (grants.all) return edges;
  const devices = await load();
  const made = new Map<string, Vertex>();
  const replaced = ({ vertex, ...edge }: Edge): Edge => ({ ...edge, vertex: made.get(vertex.digest) ?? vertex });
  for (const vertex of vertices) {
    const op = asksForDevices(vertex) ? { ...vertex.op, cdiDevices: devicesOf(vertex, grants, devices) } : vertex.op;
    made.set(vertex.digest, { ...vertex, op, inputs: vertex.inputs.map(replaced) });
  }
  return edges.map(replaced);
}

function asksForDevices(vertex: Vertex): vertex is Vertex & { readonly op: ExecOp } {
  return vertex.op.kind === "exec" && vertex.op.cdiDevices.length > 0;
}

function devicesOf(vertex: Vertex & { readonly op: ExecOp }, grants: DeviceGrants, devices: Devices): CdiDevice[] {
  const { cdiDevices } = vertex.op;
  const aliased = cdiDevices.flatMap(({ name, optional }): CdiDevice[] => {
    const meant = grants.aliases.get(name);
    return meant === undefined ? [] : [{ name: meant, optional }];
  });
  const asked = cdiDevices.filter(({ name }) => !grants.aliases.has(name));
  const wanted = new Map<string, RegisteredDevice>();
  for (const each of asked) for (const device of devices.require(each)) wanted.set(device.name, device);
  const granted = new Set(grants.names.flatMap((name) => devices.find(name)).map(({ name }) => name));
  const refused = [...wanted.values()].filter(({ name, autoAllow }) => !autoAllow && !granted.has(name));
  const [first] = refused;
  if (first !== undefined) {
    const names = refused.map(({ name }) => name);
    const which = names.length === 1 ? `device ${first.name} is` : `devices ${names.join(", ")} are`;
    throw notAllowed(vertex, `device=${first.name}`, `${which} requested by the build but not allowed`);
  }
  return [...aliased, ...[...wanted.keys()].map((name) => ({ name, optional: false }))];
}
