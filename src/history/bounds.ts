import { type Descriptor, VarveError } from "../core/index.ts";
import type { BuildExporter, BuildRequest, BuildResultBlobs } from "./types.ts";

const MIB = 1024 * 1024;

/**
 * Maximum bytes of the texts of a record. A client gets a record in one message, of which it accepts 16 MiB: a larger one would hide all
 * builds from it.
 */
export const RecordLimits: Readonly<
  Record<"ref" | "attributes" | "exporters" | "metadata" | "error" | "results", number>
> = {
  ref: 4096,
  attributes: 4 * MIB,
  exporters: 2 * MIB,
  metadata: 4 * MIB,
  error: MIB,
  results: MIB,
};

/** Bytes that an entry of a map or a list needs besides its texts. */
const ENTRY = 16;

/** Bytes that a descriptor needs besides its media type and its annotations. */
const DESCRIPTOR = 128;

/** A number of bytes, of which entries take some until one does not fit. Smaller ones may still fit then. */
class Budget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Returns whether an entry with these texts fits. */
  take(texts: readonly string[], overhead: number = ENTRY): boolean {
    const size = texts.reduce((sum, text) => sum + Buffer.byteLength(text), overhead);
    if (size > this.#left) return false;
    this.#left -= size;
    return true;
  }
}

/**
 * Leaves out what does not fit in a record.
 *
 * @throws {VarveError} `invalid-argument` for a ref of more than 4096 bytes.
 */
export function boundedRequest(request: BuildRequest): BuildRequest {
  checkRef(request.ref);
  const attributes = boundedTexts(request.attributes, RecordLimits.attributes);
  return { ...request, attributes, exporters: boundedExporters(request.exporters) };
}

/** @throws {VarveError} `invalid-argument` for a ref of more than 4096 bytes. */
export function checkRef(ref: string): void {
  if (Buffer.byteLength(ref) > RecordLimits.ref)
    throw new VarveError("invalid-argument", `Cannot build: the ID has more than ${RecordLimits.ref} bytes`);
}

/** Leaves out the entries of a map that do not fit in `limit` bytes. */
export function boundedTexts(texts: ReadonlyMap<string, string>, limit: number): Map<string, string> {
  const budget = new Budget(limit);
  return new Map([...texts].filter((entry) => budget.take(entry)));
}

function boundedExporters(exporters: readonly BuildExporter[]): BuildExporter[] {
  const budget = new Budget(RecordLimits.exporters);
  return exporters
    .filter(({ type }) => budget.take([type]))
    .map(({ type, attributes }) => ({
      type,
      attributes: new Map([...attributes].filter((entry) => budget.take(entry))),
    }));
}

/** Cuts a message. */
export function boundedMessage(message: string): string {
  const bytes = Buffer.from(message);
  return bytes.length <= RecordLimits.error ? message : bytes.subarray(0, RecordLimits.error).toString();
}

/** The results of a record. What does not fit is left out: annotations first, then the descriptor. */
export class BoundedResults {
  readonly #budget = new Budget(RecordLimits.results);

  /** Returns whether results by this id fit. */
  has(platform: string): boolean {
    return this.#budget.take([platform]);
  }

  blobs({ attestations, exports }: BuildResultBlobs): BuildResultBlobs {
    return {
      attestations: attestations.flatMap((each) => this.#descriptor(each)),
      exports: new Map(
        [...exports].flatMap(([index, each]) => this.#descriptor(each).map((kept) => [index, kept] as const)),
      ),
    };
  }

  #descriptor(descriptor: Descriptor): Descriptor[] {
    const { annotations = {}, ...rest } = descriptor;
    const texts = Object.entries(annotations).flat();
    if (this.#budget.take([descriptor.mediaType, ...texts], DESCRIPTOR + texts.length * ENTRY)) return [descriptor];
    return texts.length > 0 && this.#budget.take([descriptor.mediaType], DESCRIPTOR) ? [rest] : [];
  }
}
