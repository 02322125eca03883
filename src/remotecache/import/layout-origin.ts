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

export interface LayoutPlace {
  /** Default `latest`. */
  readonly tag?: string | undefined;
  /** Wins over the tag. */
  readonly digest?: Digest | undefined;
}

const CHUNK = 262_144;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A cache or an image in an OCI layout. Nothing is read outside the directory, whatever links it has. */
export function layoutOrigin(directory: string, place: LayoutPlace = {}): CacheOrigin {
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

/** The bytes of a layer in an OCI layout; the reader verifies them. Throws `not-found` and `corrupt` as it is read. */
export function layoutBlob(directory: string, { digest }: { readonly digest: Digest }): Bytes {
  return new Layout(resolve(directory)).stream(blobPath(digest));
}

const tagOf = ({ tag }: LayoutPlace): string => (tag === undefined || tag === "" ? "latest" : tag);

class Layout {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The first entry of `index.json` that has the tag for its image's name, or else for its reference's. */
  async find(tag: string): Promise<Descriptor> {
    const entries = readEntries(await this.#file("index.json", Limits.manifest));
    const named = (annotation: string): Descriptor | undefined =>
      entries.find(({ annotations }) => annotations?.[annotation] === tag);
    const found = named(Annotation.containerdImageName) ?? named(Annotation.refName);
    if (found !== undefined) return found;
    throw new VarveError("not-found", `Cannot read OCI layout ${this.directory}: it has nothing tagged ${tag}`);
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
    throw new VarveError("corrupt", `Cannot read blob ${digest} of ${this.directory}: its digest is another`);
  }

  async #file(name: string, limit: number): Promise<Buffer> {
    return await collect(this.stream(name), limit, { what: join(this.directory, name) });
  }

  /** The bytes of a file, not verified. */
  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const what = join(this.directory, name);
    try {
      using root = Root.open(this.directory);
      const fd = regular(root.openFile(name, READ), what);
      for await (const chunk of createReadStream("", { fd, highWaterMark: CHUNK })) yield chunk as Buffer;
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
