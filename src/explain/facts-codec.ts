import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type JsonObject, VarveError, isDigest, parseJson } from "../core/index.ts";
import type { KeyDigest } from "../solver/index.ts";
import type { InputFacts, Part, StepFacts } from "./facts.ts";
import { placeOf } from "./place.ts";

/** Maximum bytes of the facts of one step. */
const MAX_FACTS = 4_194_304;

/** Facts as they are stored: without what is valid in one build only. */
export type StoredFacts = Omit<StepFacts, "inputs"> & { readonly inputs: readonly StoredInput[] };
export type StoredInput = Omit<InputFacts, "vertex">;

/** Encodes the facts of a step as compressed JSON. */
export function encodeFacts(facts: StoredFacts): Buffer {
  return deflateRawSync(factsJson(facts));
}

/** Returns facts as JSON. */
export function factsJson({ name, instruction, op, parts, secrets, inputs }: StoredFacts): string {
  return JSON.stringify({
    name,
    instruction,
    op,
    parts: parts.flatMap((part) => [part.kind, part.name, part.value]),
    secrets,
    inputs: inputs.map((input) => ({
      name: input.name,
      kind: input.kind,
      source: input.source,
      version: input.version,
      keys: input.keys,
      content: input.content,
      list: input.list,
      result: input.result,
    })),
  });
}

/**
 * Reads what `encodeFacts` wrote.
 * @throws {VarveError} `corrupt`
 */
export function decodeFacts(bytes: Uint8Array): StoredFacts {
  return readFacts(parseJson(inflate(bytes), "the facts of a step").requiredObject());
}

/**
 * Reads the JSON of facts.
 * @throws {VarveError} `corrupt`
 */
export function readFacts(json: JsonObject): StoredFacts {
  const name = json.string("name") ?? "";
  return {
    name,
    place: placeOf(name),
    instruction: json.string("instruction") ?? "",
    op: keyDigest(json.string("op")),
    parts: readParts(json.strings("parts") ?? []),
    secrets: json.strings("secrets") ?? [],
    inputs: json.objects("inputs").map(readInput),
  };
}

function inflate(bytes: Uint8Array): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_FACTS });
  } catch (error) {
    throw new VarveError("corrupt", "Cannot read the facts of a step: they cannot be decompressed", { cause: error });
  }
}

function keyDigest(text: string | undefined): KeyDigest {
  if (text !== undefined && isDigest(text)) return text;
  return `random:${text ?? ""}`;
}

const PART_KINDS: readonly Part["kind"][] = ["arg", "env", "command", "option"];

function readParts(flat: readonly string[]): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at + 2 < flat.length; at += 3) {
    const kind = PART_KINDS.find((known) => known === flat[at]);
    const [name, value] = flat.slice(at + 1, at + 3);
    if (kind !== undefined && name !== undefined && value !== undefined) parts.push({ kind, name, value });
  }
  return parts;
}

function readInput(json: JsonObject): StoredInput {
  const kind = json.string("kind");
  const content = json.string("content");
  return {
    name: json.string("name") ?? "",
    kind: kind === "context" || kind === "source" ? kind : "step",
    source: json.string("source"),
    version: json.string("version"),
    keys: json.strings("keys") ?? [],
    content: content !== undefined && isDigest(content) ? content : undefined,
    list: json.string("list"),
    result: json.string("result"),
  };
}
