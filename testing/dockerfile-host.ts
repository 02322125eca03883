import { digestOf, VarveError } from "../src/core/index.ts";
import { parseDockerfile } from "../src/dockerfile/index.ts";
import {
  compileDockerfile,
  type CompileHost,
  type CompileOptions,
  type CompileResult,
  type ResolveRequest,
  type SourceTimeRequest,
} from "../src/frontend/index.ts";
import { type Vertex, walkVertices } from "../src/llb/index.ts";

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DIFF_ID = digestOf("layer");

/** An image config as JSON: one layer, unless told otherwise. */
export function imageConfig(config: object = {}, rest: object = {}): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      created: "2020-01-01T00:00:00Z",
      config: { Env: [PATH], ...config },
      rootfs: { type: "layers", diff_ids: [DIFF_ID] },
      history: [{ created: "2020-01-01T00:00:00Z", created_by: "base" }],
      ...rest,
    }),
  );
}

/** A registry of image configs by reference, that remembers what it was asked. */
export class FakeHost implements CompileHost {
  readonly requests: ResolveRequest[] = [];
  /** The sources whose time was asked for, with the name in progress. */
  readonly timed: string[] = [];
  /** What looking up an unknown image fails with; by default that it does not exist. */
  failure: VarveError | undefined;
  readonly #images: ReadonlyMap<string, Uint8Array>;
  readonly #ignored: ReadonlyMap<string, readonly string[]>;

  constructor(images: Record<string, Uint8Array> = {}, ignored: Record<string, readonly string[]> = {}) {
    this.#images = new Map(Object.entries(images));
    this.#ignored = new Map(Object.entries(ignored));
  }

  resolveImage(request: ResolveRequest): Promise<{ digest: `sha256:${string}`; config: Uint8Array }> {
    this.requests.push(request);
    const config = this.#images.get(request.reference);
    if (config === undefined)
      return Promise.reject(
        this.failure ?? new VarveError("not-found", `Cannot resolve ${request.reference}: not found`),
      );
    return Promise.resolve({ config, digest: digestOf(request.reference) as `sha256:${string}` });
  }

  /** Returns the number at the end of the identifier, as a time. */
  sourceTime({ source, name }: SourceTimeRequest): Promise<number | undefined> {
    this.timed.push(`${name}: ${source.identifier}`);
    const [digits] = /\d+$/.exec(source.identifier) ?? [];
    return Promise.resolve(digits === undefined ? undefined : Number(digits));
  }

  ignorePatterns(name: string): Promise<readonly string[]> {
    return Promise.resolve(this.#ignored.get(name) ?? []);
  }
}

export const AMD64 = { os: "linux", architecture: "amd64" } as const;

export interface Built extends CompileResult {
  readonly host: FakeHost;
  /** Inputs before their users. */
  readonly vertices: readonly Vertex[];
  /** Names in progress, in the same order. */
  readonly names: readonly string[];
}

/** Compiles a Dockerfile against images `base` (and others given), for linux/amd64. */
export async function build(
  text: string,
  options: CompileOptions = {},
  images: Record<string, Uint8Array> = {},
  ignored: Record<string, readonly string[]> = {},
): Promise<Built> {
  const host = new FakeHost({ "docker.io/library/base:latest": imageConfig(), ...images }, ignored);
  const result = await compileDockerfile(parseDockerfile(text), { buildPlatform: AMD64, ...options }, host);
  const vertices = result.edge === undefined ? [] : walkVertices([result.edge.vertex]);
  const names = vertices.map(({ metadata }) => metadata.description.get("llb.customname") ?? "");
  return { ...result, host, vertices, names };
}

/** The vertex whose name ends in the text. */
export function vertexNamed({ vertices, names }: Built, end: string): Vertex {
  const vertex = vertices[names.findIndex((name) => name.endsWith(end))];
  if (vertex === undefined) throw new Error(`no step ${end} among ${names.join(" | ")}`);
  return vertex;
}
