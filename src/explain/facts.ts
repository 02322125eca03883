import type { Digest } from "../core/index.ts";
import type { KeyDigest } from "../solver/index.ts";
import type { Place } from "./place.ts";

/** What the cache key of a step is made of. */
export interface StepFacts {
  /** The vertex's name, without credentials. */
  readonly name: string;
  /** Undefined for a vertex that is no instruction of a Dockerfile. */
  readonly place: Place | undefined;
  /** The instruction as it is written in the Dockerfile; where that is not known, as it is shown in progress. */
  readonly instruction: string;
  /** The op's cache digest. */
  readonly op: KeyDigest;
  /** What the op's cache digest is made of. */
  readonly parts: readonly Part[];
  /** Ids of the secrets on whose values the key depends. */
  readonly secrets: readonly string[];
  readonly inputs: readonly InputFacts[];
}

/**
 * A named value. `arg`: a build argument that the instruction uses; `env`: a variable of the step; `command`: what is run; `option`: see
 * `Change`. `value` is sealed if it may be a credential: see `Sealer`.
 */
export interface Part {
  readonly kind: "arg" | "env" | "command" | "option";
  readonly name: string;
  readonly value: string;
}

/** One input of a step. */
export interface InputFacts {
  /** The name of the vertex that it comes from. */
  readonly name: string;
  /** Digest of that vertex. Valid in one build. */
  readonly vertex: Digest;
  /** Whether the input is a directory of the client, something that was fetched, or the result of another step. */
  readonly kind: "context" | "source" | "step";
  /** The identifier of a source: `docker-image://docker.io/library/alpine:3@sha256:…`. */
  readonly source?: string | undefined;
  /** The commit of a repository. */
  readonly version?: string | undefined;
  /** Definition keys of a source. */
  readonly keys: readonly string[];
  /** The content key, if the step has one for this input. */
  readonly content?: Digest | undefined;
  /** Id of the list of the files that the content key covers. */
  readonly list?: string | undefined;
  /** Id of the input's result in the cache; undefined for a directory of the client, and while it is not known. */
  readonly result?: string | undefined;
}
