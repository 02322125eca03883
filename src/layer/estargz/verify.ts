import { DigestHasher, Limits, digestOf, isVarveError } from "../../core/index.ts";
import { limited } from "../../io/index.ts";
import { cleanPath, corruptArchive, padding } from "../tar/format.ts";
import { readHeader } from "../tar/read.ts";
import { TarSource } from "../tar/source.ts";
import type { TarHeader } from "../types.ts";
import { Segments } from "./segments.ts";
import { TOC_NAME, textOf, tocEntryOf } from "./toc.ts";
import { type BlobReader, type TocClaim, naturalOf, readToc, tocOffsetOf } from "./toc-read.ts";

/** Maximum total length of the names that are kept in memory to find duplicates. Characters. */
const MAX_NAMES = 67_108_864;

/** The result of `verifyEstargz`. */
export type EstargzVerdict =
  /** `tocOffset` is the offset in the blob at which the archive ends and the table of contents begins. */
  | { readonly kind: "verified"; readonly tocOffset: number }
  | { readonly kind: "not-verified"; readonly reason: string };

/**
 * Verifies that a blob is correct eStargz. It must have a footer and, as its last entry, a table of contents. The table must
 * describe all entries in the archive's order, with the archive's metadata, and with the right offsets and digests of all
 * chunks. Reads the whole blob, with bounded memory.
 * @throws the errors of reading `blob`; a blob that is not eStargz is not an error
 *
 * @example
 * const verdict = await verifyEstargz({ size, open: (offset, length) => readPart(file, offset, length) });
 * if (verdict.kind === "not-verified") console.log(verdict.reason);
 */
export async function verifyEstargz(blob: BlobReader): Promise<EstargzVerdict> {
  const tocOffset = await tocOffsetOf(blob);
  if (tocOffset === undefined) return { kind: "not-verified", reason: "it has no eStargz footer" };
  try {
    await new Verifier(blob, tocOffset).run();
    return { kind: "verified", tocOffset };
  } catch (error) {
    if (!isVarveError(error, "corrupt", "limit-exceeded", "unsupported")) throw error;
    return { kind: "not-verified", reason: error.message };
  }
}

const WHAT = "an eStargz layer";

/** Reads the archive and its table of contents in parallel, and compares them. */
class Verifier {
  readonly #toc: AsyncGenerator<TocClaim>;
  readonly #segments: Segments;
  readonly #input: TarSource;
  readonly #names = new Set<string>();
  /** Total length of all names. */
  #nameCharacters = 0;
  /** Position in the archive, in bytes. */
  #position = 0;

  constructor(blob: BlobReader, tocOffset: number) {
    this.#toc = readToc(blob, tocOffset, WHAT);
    this.#segments = new Segments(blob, tocOffset, readToc(blob, tocOffset, WHAT), WHAT);
    const plain = limited(this.#segments, Limits.layerUnpacked, { what: WHAT });
    this.#input = new TarSource(plain, WHAT, (piece) => {
      this.#position += piece.length;
    });
  }

  async run(): Promise<void> {
    try {
      for (let read = await readHeader(this.#input); read !== undefined; read = await readHeader(this.#input)) {
        if (read.sparse !== undefined) throw wrong("it has sparse files");
        await this.#checkEntry(read.header);
      }
      if ((await this.#toc.next()).done !== true)
        throw wrong("its table of contents has more entries than the archive");
      await this.#input.drain();
    } finally {
      await this.#input.close();
      await this.#toc.return(undefined);
    }
  }

  async #checkEntry(header: TarHeader): Promise<void> {
    const claim = await this.#next();
    this.#checkName(header);
    if (!sameHeader(header, claim)) throw wrong("its table of contents describes an entry wrongly");
    if (header.size > 0) await this.#checkContent(header, claim);
    else if (naturalOf(claim, "offset") !== 0) throw wrong("its table of contents has a wrong offset of a chunk");
    else if (!isDigest(claim, "digest", digestOf(""), header.type === "file")) throw wrong("a digest is wrong");
    await this.#input.skip(padding(header.size));
  }

  #checkName({ path }: TarHeader): void {
    this.#nameCharacters += path.length;
    if (path === TOC_NAME || this.#names.has(path)) throw wrong("a name occurs twice");
    if (this.#nameCharacters > MAX_NAMES) throw wrong("its names are too long");
    this.#names.add(path);
  }

  async #checkContent({ size, rawPath }: TarHeader, first: TocClaim): Promise<void> {
    const whole = new DigestHasher();
    for (let at = 0; at < size;) {
      const claim = at === 0 ? first : await this.#next();
      const length = naturalOf(claim, "chunkSize") || size - at;
      const isNext = at === 0 || (claim.string("type") === "chunk" && claim.string("name") === textOf(rawPath));
      if (!isNext || !hasKnownKeys(claim) || naturalOf(claim, "chunkOffset") !== at || length < 1 || length > size - at)
        throw wrong("its table of contents divides a file into wrong chunks");
      await this.#checkChunk(claim, length, whole);
      at += length;
    }
    if (!isDigest(first, "digest", whole.digest(), true)) throw wrong("a digest is wrong");
  }

  async #checkChunk(claim: TocClaim, length: number, whole: DigestHasher): Promise<void> {
    const start = this.#position;
    const hasher = new DigestHasher();
    for (let left = length; left > 0;) {
      const piece = await this.#input.some(left);
      left -= piece.length;
      hasher.update(piece);
      whole.update(piece);
    }
    const member = this.#segments.plainOffset(naturalOf(claim, "offset"));
    if (member === undefined || member + naturalOf(claim, "innerOffset") !== start)
      throw wrong("its table of contents has a wrong offset of a chunk");
    if (!isDigest(claim, "chunkDigest", hasher.digest(), true)) throw wrong("a digest is wrong");
  }

  async #next(): Promise<TocClaim> {
    const next = await this.#toc.next();
    if (next.done === true) throw wrong("its table of contents has fewer entries than the archive");
    return next.value;
  }
}

function wrong(state: string): Error {
  return corruptArchive(WHAT, state);
}

function isDigest(claim: TocClaim, key: string, expected: string, required: boolean): boolean {
  const value = claim.string(key);
  return value === expected || (!required && value === undefined);
}

const NUMBERS = ["size", "uid", "gid", "devMajor", "devMinor"] as const;
/** Unknown keys are not allowed: Go ignores the case of keys, so it could read another key as one of these fields. */
const FACTS = ["name", "type", "modtime", "linkName", "mode", "userName", "groupName", "xattrs", "NumLink"] as const;
const CHUNK_KEYS = ["offset", "innerOffset", "digest", "chunkOffset", "chunkSize", "chunkDigest"] as const;
const KEYS: ReadonlySet<string> = new Set([...NUMBERS, ...FACTS, ...CHUNK_KEYS]);

function hasKnownKeys(claim: TocClaim): boolean {
  return [...claim.fieldNames()].every((key) => KEYS.has(key));
}

/** Returns whether an entry of the table matches a header of the archive. Only the permission bits of the mode count. */
function sameHeader(header: TarHeader, claim: TocClaim): boolean {
  const expected = tocEntryOf(header);
  const link = claim.string("linkName") ?? "";
  return (
    hasKnownKeys(claim) &&
    claim.string("name") === expected.name &&
    claim.string("type") === expected.type &&
    NUMBERS.every((key) => naturalOf(claim, key) === (expected[key] ?? 0)) &&
    (naturalOf(claim, "mode") & 0o7777) === header.mode &&
    (claim.string("modtime") ?? "") === (expected.modtime ?? "") &&
    (header.type === "hardlink" ? cleanPath(link) : link) === (expected.linkName ?? "") &&
    sameXattrs(expected.xattrs ?? new Map(), claim.stringMap("xattrs") ?? new Map())
  );
}

function sameXattrs(expected: ReadonlyMap<string, string>, claimed: ReadonlyMap<string, string>): boolean {
  return claimed.size === expected.size && [...claimed].every(([name, value]) => expected.get(name) === value);
}
