import { create, toJsonString } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ErrorDetails,
  type JsonValue,
  type OrderedJson,
  goJson,
  parseJson,
  sortKeys,
} from "../../../core/index.ts";
import { SolveSchema } from "../proto/gen/errdefs_pb.ts";

/** A detail of an error: the type of a value, and the value. */
export interface Detail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

const PREFIX = "github.com/moby/buildkit/";
const SUFFIX = "+json";

const STACK = "stack.Stack";

/** Details that wrap an error: each one is a wrapper, and the first one is the outermost. */
const WRAPPERS: ReadonlySet<string> = new Set([
  "errdefs.Vertex",
  "errdefs.Source",
  "errdefs.Frontend",
  "errdefs.FrontendCap",
  "errdefs.Subrequest",
  "errdefs.Solve",
  "errdefs.CompatibilityFeature",
  "errdefs.ProvenanceMaterialsIncomplete",
  "gatewayapi.ExitMessage",
  "policysession.DecisionResponse",
]);

/** What BuildKit makes of a detail that it receives. */
export type DetailKind = "unknown" | "stack" | "wrapper";

export function kindOf({ typeUrl, value }: Detail): DetailKind {
  if (!typeUrl.startsWith(PREFIX) || !typeUrl.endsWith(SUFFIX)) return "unknown";
  const name = typeUrl.slice(PREFIX.length, -SUFFIX.length);
  if (name !== STACK && !WRAPPERS.has(name)) return "unknown";
  try {
    parseJson(value, "an error detail").requiredObject();
  } catch {
    return "unknown";
  }
  return name === STACK ? "stack" : "wrapper";
}

/** Whether a detail is a location in a source. */
export function isSourceDetail({ typeUrl }: Detail): boolean {
  return typeUrl === `${PREFIX}errdefs.Source${SUFFIX}`;
}

/** Encodes as Go: zero values are left out, which `undefined` stands for. */
function detail(name: string, value: OrderedJson): Detail {
  return { typeUrl: `${PREFIX}${name}${SUFFIX}`, value: Buffer.from(goJson(value)) };
}

function unlessZero<T extends string | number | boolean>(value: T): T | undefined {
  return value === "" || value === 0 || value === false ? undefined : value;
}

/** Any error while a vertex computes a key or runs. The digest is that of the op in the client's definition. */
export function vertexDetail(digest: string): Detail {
  return detail("errdefs.Vertex", { digest });
}

/** A range of a source. Lines count from 1, characters from 0. */
export interface SourceDetailRange {
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly line: number; readonly character: number };
}

export interface SourceDetailInfo {
  readonly filename: string;
  readonly data: Uint8Array;
  readonly language?: string | undefined;
  /** The definition that made the source, as JSON. */
  readonly definition?: JsonValue | undefined;
}

/** A location in a source, for example in a Dockerfile. */
export function sourceDetail(info: SourceDetailInfo, ranges: readonly SourceDetailRange[]): Detail {
  const position = ({ line, character }: SourceDetailRange["start"]): JsonValue => ({
    line: unlessZero(line),
    character: unlessZero(character),
  });
  return detail("errdefs.Source", {
    info: {
      filename: unlessZero(info.filename),
      data: unlessZero(Buffer.from(info.data).toString("base64")),
      definition: info.definition === undefined ? undefined : sortKeys(info.definition),
      language: unlessZero(info.language ?? ""),
    },
    ranges: ranges.map(({ start, end }) => ({ start: position(start), end: position(end) })),
  });
}

/** Around every error of a named front end. */
export function frontendDetail(name: string, source = ""): Detail {
  return detail("errdefs.Frontend", { name: unlessZero(name), source: unlessZero(source) });
}

/** A capability of front ends that is required and missing. */
export function frontendCapDetail(name: string): Detail {
  return detail("errdefs.FrontendCap", { name });
}

/** A subrequest that the front end does not know. */
export function subrequestDetail(name: string): Detail {
  return detail("errdefs.Subrequest", { name });
}

export function compatibilityDetail(version: number, feature: string): Detail {
  return detail("errdefs.CompatibilityFeature", { version: unlessZero(version), feature: unlessZero(feature) });
}

/** The exit code of a process, not 0. */
export function exitDetail(code: number): Detail {
  return detail("gatewayapi.ExitMessage", { Code: unlessZero(code) });
}

/** A client's judgement that a source must not be used. 1: denied. */
export function decisionDetail(action: number, denyMessages: readonly string[]): Detail {
  return detail("policysession.DecisionResponse", {
    action: unlessZero(action),
    denyMessages:
      denyMessages.length === 0 ? undefined : denyMessages.map((message) => ({ message: unlessZero(message) })),
  });
}

/** The materials that a provenance lacks. */
export function materialsDetail(incomplete: NonNullable<ErrorDetails["missingMaterials"]>): Detail {
  return detail("errdefs.ProvenanceMaterialsIncomplete", {
    incomplete: incomplete.map(({ op, name, method, uri, reason }) => ({
      op: unlessZero(op),
      name: unlessZero(name),
      method: unlessZero(method),
      uri: unlessZero(uri),
      reason: unlessZero(reason),
    })),
  });
}

/** What a client needs to start a container with the mounts of a failed step. It is the one detail in the JSON of protocol buffers. */
export function solveDetail(solve: MessageInitShape<typeof SolveSchema>): Detail {
  const text = toJsonString(SolveSchema, create(SolveSchema, solve));
  return { typeUrl: `${PREFIX}errdefs.Solve${SUFFIX}`, value: Buffer.from(text) };
}

/** Maximum number of frames of a stack. */
const MAX_FRAMES = 32;

/** Where in this program an error was created. `stack` is that of JavaScript. */
export function stackDetail(stack: string): Detail {
  const calls = stack.matchAll(/^ {4}at (?:async )?(?:(.+) \()?(?:file:\/\/)?([^()\s]+):(\d+):\d+\)?$/gm);
  const frames = Array.from(calls.take(MAX_FRAMES), ([, name = "", file = "", line]) => {
    return { Name: unlessZero(name), File: file, Line: Number(line) };
  });
  return detail(STACK, { frames, cmdline: ["varve"], pid: process.pid });
}
