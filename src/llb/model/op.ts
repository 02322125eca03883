import type { Digest, Platform, StepPolicy } from "../../core/index.ts";
import type { ExecOp } from "./exec-op.ts";
import type { FileOp } from "./file-op.ts";

/**
 * One operation of a low-level build graph. The fields are those of BuildKit's `solver/pb/ops.proto`. Input numbers count the
 * inputs of the vertex from 0; `EMPTY` stands for an empty filesystem, and `SKIP_OUTPUT` for a result that is discarded.
 */
export type Op = SourceOp | ExecOp | FileOp | MergeOp | DiffOp | BuildOp | PassthroughOp;
/** The discriminator of `Op`. */
export type OpKind = Op["kind"];

/** An input number: no input, an empty filesystem. */
export const EMPTY = -1;
/** An output number: the result is discarded. */
export const SKIP_OUTPUT = -1;

/** An image, a directory of the client, a git repository or a download. `identifier` is a URL; `attrs` are BuildKit's. */
export interface SourceOp {
  readonly kind: "source";
  readonly identifier: string;
  readonly attrs: ReadonlyMap<string, string>;
}

/** Stacks the layers of its inputs, lowest first. */
export interface MergeOp {
  readonly kind: "merge";
  readonly inputs: readonly number[];
}

/** The changes from `lower` to `upper`. */
export interface DiffOp {
  readonly kind: "diff";
  readonly lower: number;
  readonly upper: number;
}

/** Builds the graph that is described in a file of an input. */
export interface BuildOp {
  readonly kind: "build";
  readonly builder: number;
  readonly inputs: ReadonlyMap<string, number>;
  /** A serialised `Definition`. */
  readonly definition?: Uint8Array | undefined;
  readonly attrs: ReadonlyMap<string, string>;
}

/** Passes inputs through as outputs after all its inputs have succeeded. */
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

/** A vertex of the graph: an op with its inputs. Immutable. Vertices with equal digests have equal ops, inputs and dependencies. */
export interface Vertex {
  /** Digest of `bytes`, which include the digests of the inputs. It is never part of a cache key. */
  readonly digest: Digest;
  readonly op: Op;
  readonly inputs: readonly Edge[];
  /** The edges to walk for the vertices below, if they differ from `inputs`: another order, and duplicates of equal inputs. */
  readonly walked?: readonly Edge[] | undefined;
  /** Normalised, even if the platform in `bytes` is not. Absent for ops that do not depend on it: file, merge, diff, most sources. */
  readonly platform?: Platform | undefined;
  /** Filters on workers, in containerd's syntax. */
  readonly constraints: readonly string[];
  readonly metadata: VertexMetadata;
  /** The serialised op, whose digest is `digest`. */
  readonly bytes: Uint8Array;
}

/** Facts about a vertex that are not part of its digest. */
export interface VertexMetadata {
  readonly ignoreCache: boolean;
  /** Labels; `llb.customname` is the name shown in progress output. */
  readonly description: ReadonlyMap<string, string>;
  /** False: cache exports leave out the result. Undefined: the exporter decides. */
  readonly exportCache?: boolean | undefined;
  /** The capabilities that the builder needs. */
  readonly caps: ReadonlySet<string>;
  readonly progressGroup?: ProgressGroup | undefined;
  readonly linuxResources?: LinuxResources | undefined;
  /** How the result is cached, beyond the cache key. In BuildKit's messages it is the label `varve.policy`. */
  readonly policy?: StepPolicy | undefined;
}

/** Vertices that progress output shows as one. */
export interface ProgressGroup {
  readonly id: string;
  readonly name: string;
  readonly weak: boolean;
}

/** Limits on the container of an exec op. 0 or empty is unlimited. Memory is in bytes, CPU period and quota in microseconds. */
export interface LinuxResources {
  readonly memory: number;
  readonly memorySwap: number;
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
}

/** The metadata of a vertex about which nothing is set. */
export const noMetadata: VertexMetadata = { ignoreCache: false, description: new Map(), caps: new Set() };
