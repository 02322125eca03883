/** Objects of Kubernetes as its clients send them: protocol buffers. Field numbers are those of Kubernetes' `generated.proto` files. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** The fields of a container of a pod that buildx sets. */
export interface PodContainer {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly securityContext?: { readonly privileged?: boolean; readonly seccompProfile?: { readonly type: string } };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly readinessProbe: Probe;
  /** Newer versions of buildx set it. */
  readonly livenessProbe?: Probe;
}

interface Probe {
  readonly handler: { readonly exec: { readonly command: readonly string[] } };
}

export interface PodSpec {
  readonly containers: readonly [PodContainer];
}

/** A Deployment, or a ConfigMap. */
export interface KubernetesObject {
  readonly metadata: { readonly name: string };
  readonly spec?: { readonly replicas: number; readonly template: { readonly spec: PodSpec } };
  readonly data?: readonly { readonly key: string; readonly value: string }[];
}

type Kind = "text" | "number" | "boolean" | "bytes" | Message;
type Message = Readonly<Record<number, readonly [name: string, kind: Kind, repeated?: "repeated"]>>;

const NAMED: Message = { 1: ["name", "text"] };
const PROBE: Message = { 1: ["handler", { 1: ["exec", { 1: ["command", "text", "repeated"] }] }] };
const CONTAINER: Message = {
  1: ["name", "text"],
  2: ["image", "text"],
  4: ["args", "text", "repeated"],
  7: ["env", { 1: ["name", "text"], 2: ["value", "text"] }, "repeated"],
  9: ["volumeMounts", { 1: ["name", "text"], 3: ["mountPath", "text"] }, "repeated"],
  10: ["livenessProbe", PROBE],
  11: ["readinessProbe", PROBE],
  15: ["securityContext", { 2: ["privileged", "boolean"], 10: ["seccompProfile", { 1: ["type", "text"] }] }],
};
const TEMPLATE: Message = { 2: ["spec", { 2: ["containers", CONTAINER, "repeated"] }] };
const DEPLOYMENT: Message = {
  1: ["metadata", NAMED],
  2: ["spec", { 1: ["replicas", "number"], 3: ["template", TEMPLATE] }],
};
const CONFIG_MAP: Message = {
  1: ["metadata", NAMED],
  2: ["data", { 1: ["key", "text"], 2: ["value", "text"] }, "repeated"],
};
const MAGIC = "k8s\0";

/** Decodes the body of a request that makes an object. */
export function decodeObject(collection: string, body: Buffer): KubernetesObject {
  if (body.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) throw new Error("not an object of Kubernetes");
  const { raw } = decode({ 2: ["raw", "bytes"] }, body.subarray(MAGIC.length)) as { raw: Uint8Array };
  return decode(collection === "deployments" ? DEPLOYMENT : CONFIG_MAP, raw) as unknown as KubernetesObject;
}

function decode(message: Message, bytes: Uint8Array): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = message[number];
    if (field === undefined) {
      reader.skip(wire, number);
      continue;
    }
    const [name, kind, repeated] = field;
    const value = wire === WireType.Varint ? scalar(reader.int32(), kind) : valueOf(kind, reader.bytes());
    found[name] = repeated === undefined ? value : [...((found[name] as unknown[] | undefined) ?? []), value];
  }
  return found;
}

function scalar(value: number, kind: Kind): unknown {
  return kind === "boolean" ? value !== 0 : value;
}

function valueOf(kind: Kind, bytes: Uint8Array): unknown {
  if (typeof kind === "object") return decode(kind, bytes);
  return kind === "text" ? Buffer.from(bytes).toString() : bytes;
}
