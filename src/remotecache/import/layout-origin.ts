import { closeSync, constants, createReadStream, fstatSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  Annotation,
  type Descriptor,
  type Digest,
  Limits,
  VarveError,
  digestAlgorithm,
  digestHex,
  digestOf,
  errnoOf,
} from "../../core/index.ts";
import { type Bytes, bytesOf, collect, verified } from "../../io/index.ts";
import { Root } from "../../linux/index.ts";
import { readEntries } from "../document/container.ts";
import type { CacheOrigin } from "./origin.ts";
import { tooLarge } from "./registry-origin.ts";

/** Selects an entry of an OCI layout. */
export interface LayoutEntryName {
  /** Default: `latest`. */
  readonly tag?: string | undefined;
  /** Takes precedence over the tag. */
  readonly digest?: Digest | undefined;
}

const CHUNK = 262_144;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Returns a cache or an image in an OCI layout directory as an origin. Symbolic links cannot lead out of the directory. */
export function layoutOrigin(directory: string, place: LayoutEntryName = {}): CacheOrigin {
  const layout = new Layout(resolve(directory));
  return {
    name: `${layout.directory}:${place.digest ?? tagOf(place)}`,
    source: `layout:${layout.directory}`,
    top: async () => {
      if (place.digest === undefined) {
        const descriptor = await layout.find(tagOf(place));
        return { descriptor, bytes: await layout.blob(descriptor, Limits.manifest) };
      }
      const bytes = await layout.anyBlob(place.digest, Limits.manifest);
      return { descriptor: { mediaType: "", digest: place.digest, size: bytes.byteLength }, bytes };
    },
    blob: async (descriptor, limit) => await layout.blob(descriptor, limit),
  };
}

/**
 * Returns the bytes of a layer in an OCI layout. They are not verified.
 *
 * @throws {VarveError} `not-found`, `corrupt` while the bytes are read.
 */
export function layoutBlob(directory: string, { digest }: { readonly digest: Digest }): Bytes {
  return new Layout(resolve(directory)).stream(blobPath(digest));
}

const tagOf = ({ tag }: LayoutEntryName): string => (tag === undefined || tag === "" ? "latest" : tag);

class Layout {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Returns the first entry of `index.json` whose image name is the tag, or else the first whose reference name is. */
  async find(tag: string): Promise<Descriptor> {
    const entries = readEntries(await this.#file("index.json", Limits.manifest));
    const named = (annotation: string): Descriptor | undefined =>
      entries.find(({ annotations }) => annotations?.[annotation] === tag);
    const found = named(Annotation.containerdImageName) ?? named(Annotation.refName);
    if (found !== undefined) return found;
    throw new VarveError("not-found", `Cannot read OCI layout ${this.directory}: it has no entry with the tag ${tag}`);
  }

  async blob(descriptor: Descriptor, limit: number): Promise<Buffer> {
    const { digest, size } = descriptor;
    if (size > limit) throw tooLarge(descriptor, limit);
    const bytes = await this.#file(blobPath(digest), size);
    return await collect(verified(bytesOf(bytes), { digest, size }, { what: `blob ${digest}` }), limit, {
      what: `blob ${digest}`,
    });
  }

  async anyBlob(digest: Digest, limit: number): Promise<Buffer> {
    const bytes = await this.#file(blobPath(digest), limit);
    if (digestOf(bytes, digestAlgorithm(digest)) === digest) return bytes;
    throw new VarveError("corrupt", `Cannot read blob ${digest} of ${this.directory}: its content has another digest`);
  }

  async #file(name: string, limit: number): Promise<Buffer> {
    return await collect(this.stream(name), limit, { what: join(this.directory, name) });
  }

  /** Yields the bytes of a file, without verification. */
  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const what = join(this.directory, name);
    try {
      using root = Root.open(this.directory);
      const fd = regular(root.openFile(name, READ), what);
      const chunks: AsyncIterable<Buffer> = createReadStream("", { fd, highWaterMark: CHUNK });
      yield* chunks;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR")
        throw new VarveError("not-found", `Cannot read ${what}: it does not exist`, { cause: error });
      if (errno === "ELOOP" || errno === "ENXIO") throw notRegular(what, error);
      throw error;
    }
  }
}

const blobPath = (digest: Digest): string => `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;

const notRegular = (what: string, cause?: unknown): VarveError =>
  new VarveError("corrupt", `Cannot read ${what}: it is not a regular file`, { cause });

function regular(fd: number, what: string): number {
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw notRegular(what);
}
