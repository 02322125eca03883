import type { Digest, Platform } from "../../core/index.ts";
import type { ExecOp } from "./exec-op.ts";
import type { FileOp } from "./file-op.ts";

/**
 * One operation of a low-level build graph. The fields are those of BuildKit's `solver/pb/ops.proto`; numbers that name
 * inputs count the vertex's inputs from 0, `EMPTY` is scratch, and `SKIP_OUTPUT` an output nobody can use.
 */
export type Op = SourceOp | ExecOp | FileOp | MergeOp | DiffOp | BuildOp | PassthroughOp;
export type OpKind = Op["kind"];

/** An input index: no input, an empty filesystem. */
export const EMPTY = -1;
/** An output index: the result is thrown away. */
export const SKIP_OUTPUT = -1;

/** An image, a context directory, a git repository, a file to download: `identifier` is a URL, `attrs` are BuildKit's. */
export interface SourceOp {
  readonly kind: "source";
  readonly identifier: string;
  readonly attrs: ReadonlyMap<string, string>;
}

/** The inputs' layers one upon the other, lowest first. */
export interface MergeOp {
  readonly kind: "merge";
  readonly inputs: readonly number[];
}

/** What has to be laid upon `lower` to get `upper`. */
export interface DiffOp {
  readonly kind: "diff";
  readonly lower: number;
  readonly upper: number;
}

/** Builds the graph that a file of an input describes. */
export interface BuildOp {
  readonly kind: "build";
  readonly builder: number;
  readonly inputs: ReadonlyMap<string, number>;
  /** A serialised `Definition`. */
  readonly definition?: Uint8Array | undefined;
  readonly attrs: ReadonlyMap<string, string>;
}

/** Hands inputs on as outputs, so that other inputs have to succeed first. */
export interface PassthroughOp {
  readonly kind: "passthrough";
  readonly id: string;
  readonly outputs: readonly number[];
}

/** One output of a vertex. */
export interface Edge {
  readonly vertex: Vertex;
  readonly output: number;
}

/** A vertex of the graph: an op with its inputs. Immutable; equal digests mean equal graphs below. */
export interface Vertex {
  /** Of the serialised op, input digests inside. Never part of a cache key. */
  readonly digest: Digest;
  readonly op: Op;
  readonly inputs: readonly Edge[];
  /** What is walked to find the vertices below: `inputs` in another order, and those that are equal to one of them. */
  readonly walked?: readonly Edge[] | undefined;
  /** Normalised, whatever `bytes` says. Absent where the op does not depend on one: file, merge, diff, most sources. */
  readonly platform?: Platform | undefined;
  /** containerd-style filters on workers. */
  readonly constraints: readonly string[];
  readonly metadata: VertexMetadata;
  /** The serialised op, whose digest is `digest`. */
  readonly bytes: Uint8Array;
}

/** What is said about a vertex outside its digest. */
export interface VertexMetadata {
  readonly ignoreCache: boolean;
  /** Free text; `llb.customname` is the name shown in progress. */
  readonly description: ReadonlyMap<string, string>;
  /** Undefined: as the exporter likes. */
  readonly exportCache?: boolean | undefined;
  /** What the builder must be capable of. */
  readonly caps: ReadonlySet<string>;
  readonly progressGroup?: ProgressGroup | undefined;
  readonly linuxResources?: LinuxResources | undefined;
}

export interface ProgressGroup {
  readonly id: string;
  readonly name: string;
  readonly weak: boolean;
}

/** Limits on the containers of an exec op; 0 or empty is no limit. Memory in bytes, CPU period and quota in microseconds. */
export interface LinuxResources {
  readonly memory: number;
  readonly memorySwap: number;
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
}

export const noMetadata: VertexMetadata = { ignoreCache: false, description: new Map(), caps: new Set() };
