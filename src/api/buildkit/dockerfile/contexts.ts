import { parseJson } from "../../../core/index.ts";
import { isHttpSource } from "../../../dockerfile/index.ts";
import type { CompileSettings } from "../../../engine/index.ts";
import { type NamedContext, gitContext, parseNamedContext } from "../../../frontend/index.ts";
import type { Edge } from "../../../llb/index.ts";
import { type Attributes, attributeError, withPrefix } from "./attributes.ts";

/** The graphs that a request passes by name. An absent edge is scratch. */
export type FrontendInputs = ReadonlyMap<string, Edge | undefined>;

const DEFAULT_CONTEXT = "context";
const DEFAULT_DOCKERFILE = "dockerfile";

/** Returns the bytes that a client uploads under a URL; undefined for another URL. */
export type OpenUpload = (url: string) => AsyncIterable<Uint8Array> | undefined;

type Contexts = Pick<CompileSettings, "context" | "contextSubdir" | "dockerfile" | "namedContexts">;

/**
 * Returns the contexts of a request to `dockerfile.v0`: a git repository, a download, a graph, or a directory of the client.
 *
 * @throws {VarveError} `invalid-argument` or `invalid-build` for a context that cannot be used.
 * @see moby/buildkit frontend/dockerui/context.go
 */
export function contextsOf(attributes: Attributes, inputs: FrontendInputs, upload: OpenUpload): Contexts {
  const forced = attributes.get("dockerfilekey");
  const path = attributes.get("filename") || "Dockerfile";
  const fromClient = { kind: "client", name: forced ?? DEFAULT_DOCKERFILE, path } as const;
  const shared = {
    namedContexts: namedContextsOf(attributes, inputs),
    contextSubdir: attributes.get("contextsubdir") || undefined,
  };
  const url = attributes.get(attributes.get("contextkey") ?? DEFAULT_CONTEXT) ?? "";
  if (gitContext(url) !== undefined || isHttpSource(url)) {
    const dockerfile = forced === undefined ? ({ kind: "context", path } as const) : fromClient;
    return { ...shared, context: remoteContext(url, upload), dockerfile };
  }
  const own = forced === undefined ? inputs.get(DEFAULT_DOCKERFILE) : undefined;
  const context = inputs.has(DEFAULT_CONTEXT)
    ? ({ kind: "graph", edge: inputs.get(DEFAULT_CONTEXT) } as const)
    : ({ kind: "client", name: DEFAULT_CONTEXT } as const);
  return { ...shared, context, dockerfile: own === undefined ? fromClient : { kind: "graph", edge: own, path } };
}

function remoteContext(url: string, upload: OpenUpload): CompileSettings["context"] {
  const bytes = upload(url);
  return bytes === undefined ? { kind: "url", url } : { kind: "stream", bytes };
}

/** Returns the named contexts of a request. Throws `invalid-argument` for one that cannot be used. */
export function namedContextsOf(attributes: Attributes, inputs: FrontendInputs): Map<string, NamedContext> {
  const given = Object.entries(withPrefix(attributes, "context:"));
  return new Map(given.map(([name, text]) => [name, namedContext(name, text, attributes, inputs)]));
}

function namedContext(name: string, text: string, attributes: Attributes, inputs: FrontendInputs): NamedContext {
  if (!text.includes(":")) throw attributeError(`invalid context specifier ${text} for ${name}`);
  if (!text.startsWith("input:")) return parseNamedContext(text);
  const key = text.slice("input:".length);
  if (!inputs.has(key)) throw attributeError(`invalid input ${key} for ${name}`);
  return { kind: "result", edge: inputs.get(key), config: inputConfig(attributes.get(`input-metadata:${key}`)) };
}

/** Returns the image config in the metadata of an input: JSON with base64 values by key. */
function inputConfig(metadata: string | undefined): Uint8Array | undefined {
  if (metadata === undefined) return undefined;
  const error = (): Error => attributeError(`failed to parse input metadata ${metadata}`);
  const fields = parseJson(metadata, "input metadata", { error }).map((item) => item.string());
  const config = fields?.get("containerimage.config");
  return config === undefined ? undefined : Buffer.from(config, "base64");
}
