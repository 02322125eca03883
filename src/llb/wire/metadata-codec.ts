import { formatPolicy, parsePolicy } from "../../core/index.ts";
import { noMetadata, type LinuxResources, type ProgressGroup, type VertexMetadata } from "../model/op.ts";
import { addEntry, asBool, asBytes, asInt, asText, ProtoWriter, readFields, type Writable } from "./protobuf.ts";

/** The label of a vertex that has its `StepPolicy`, as directives. */
const POLICY_LABEL = "varve.policy";

/** Encodes a `pb.OpMetadata`. */
export function encodeMetadata(metadata: VertexMetadata): ProtoWriter {
  const { progressGroup: group, linuxResources: limits, policy } = metadata;
  const labels =
    policy === undefined
      ? metadata.description
      : new Map([...metadata.description, [POLICY_LABEL, formatPolicy(policy)]]);
  const writer = new ProtoWriter().varint(1, metadata.ignoreCache).strings(2, labels);
  if (metadata.exportCache !== undefined) writer.message(4, new ProtoWriter().varint(1, metadata.exportCache));
  writer.map(5, new Map([...metadata.caps].map((cap) => [cap, true])), (value, entry) => entry.varint(2, value));
  if (group !== undefined)
    writer.message(6, new ProtoWriter().bytes(1, group.id).bytes(2, group.name).varint(3, group.weak));
  return limits === undefined ? writer : writer.message(7, encodeLimits(limits));
}

function encodeLimits(limits: LinuxResources): ProtoWriter {
  return new ProtoWriter()
    .varint(1, limits.memory)
    .varint(2, limits.memorySwap)
    .varint(3, limits.cpuShares)
    .varint(4, limits.cpuPeriod)
    .varint(5, limits.cpuQuota)
    .bytes(6, limits.cpusetCpus)
    .bytes(7, limits.cpusetMems);
}

/** Decodes a `pb.OpMetadata`. */
export function decodeMetadata(bytes: Uint8Array): VertexMetadata {
  const description = new Map<string, string>();
  const caps = new Map<string, boolean>();
  const metadata: Writable<VertexMetadata> = { ...noMetadata, description };
  for (const field of readFields(bytes)) {
    if (field.number === 1) metadata.ignoreCache = asBool(field);
    else if (field.number === 2) addEntry(description, field, asText, "");
    else if (field.number === 4) metadata.exportCache = decodeFlag(asBytes(field));
    else if (field.number === 5) addEntry(caps, field, asBool, false);
    else if (field.number === 6) metadata.progressGroup = decodeGroup(asBytes(field));
    else if (field.number === 7) metadata.linuxResources = decodeLimits(asBytes(field));
  }
  // BuildKit checks every capability that is named, whatever its value.
  metadata.caps = new Set(caps.keys());
  const policy = parsePolicy(description.get(POLICY_LABEL) ?? "");
  if (policy === undefined) return metadata;
  metadata.policy = policy;
  description.delete(POLICY_LABEL);
  return metadata;
}

function decodeFlag(bytes: Uint8Array): boolean {
  let flag = false;
  for (const field of readFields(bytes)) if (field.number === 1) flag = asBool(field);
  return flag;
}

function decodeGroup(bytes: Uint8Array): ProgressGroup {
  const group: Writable<ProgressGroup> = { id: "", name: "", weak: false };
  for (const field of readFields(bytes)) {
    if (field.number === 1) group.id = asText(field);
    else if (field.number === 2) group.name = asText(field);
    else if (field.number === 3) group.weak = asBool(field);
  }
  return group;
}

function decodeLimits(bytes: Uint8Array): LinuxResources {
  const numbers = [0, 0, 0, 0, 0, 0];
  const texts = ["", ""];
  for (const field of readFields(bytes)) {
    if (field.number <= 5) numbers[field.number] = asInt(field);
    else if (field.number <= 7) texts[field.number - 6] = asText(field);
  }
  const [, memory = 0, memorySwap = 0, cpuShares = 0, cpuPeriod = 0, cpuQuota = 0] = numbers;
  const [cpusetCpus = "", cpusetMems = ""] = texts;
  return { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems };
}
