import { Annotation, VarveError } from "../../core/index.ts";
import { type Bytes, MEMBER_END, type MemberInput, gzipMembers } from "../../io/index.ts";
import { padding } from "../tar/format.ts";
import { readHeader } from "../tar/read.ts";
import { TarSource } from "../tar/source.ts";
import { writeTar } from "../tar/write.ts";
import { encodeFooter } from "./footer.ts";
import { TOC_NAME } from "./toc.ts";
import { TocWriter } from "./toc-writer.ts";

export interface EstargzOptions {
  /** gzip 0 to 9. */
  readonly level?: number | undefined;
  /** Sees all of the uncompressed stream: the archive, then the entry with the table of contents. */
  readonly onPlain: (piece: Uint8Array) => void;
}

export interface EstargzStream {
  /** The blob; to be read once, to its end. */
  readonly bytes: Bytes;
  /** What a descriptor of the blob says about it; to be asked for at the end of `bytes`. */
  annotations(): Readonly<Record<string, string>>;
}

const WHAT = "an archive";

/**
 * An archive as an eStargz blob: gzip members of which each file's content begins one (each chunk of a large file does), a
 * table of contents as the last entry, and a footer that says where it is. The archive's own bytes stay as they are, its end
 * marker included, so that whoever unpacks the blob as plain gzip never sees the table. Throws `unsupported` for an archive
 * that has sparse files, that lacks the padding of its last entry, or that has a file with the name of the table.
 */
export function estargz(tar: Bytes, { level, onPlain }: EstargzOptions): EstargzStream {
  let annotations: Readonly<Record<string, string>> = {};
  let plain = 0;
  const watched = async function* (source: Bytes): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      plain += piece.byteLength;
      onPlain(piece);
      yield piece;
    }
  };
  async function* bytes(): AsyncGenerator<Uint8Array> {
    await using toc = new TocWriter();
    let offset = 0;
    for await (const piece of gzipMembers(membersOf(watched(tar), toc), level)) {
      if (piece.begins && offset > 0) toc.memberAt(offset);
      await toc.flush();
      offset += piece.bytes.byteLength;
      yield piece.bytes;
    }
    const { digest, size, bytes: json } = await toc.end();
    const entry = writeTar([{ path: TOC_NAME, mode: 0, body: { size, bytes: json } }]);
    for await (const piece of gzipMembers(watched(entry), level)) yield piece.bytes;
    yield encodeFooter(offset);
    annotations = { [Annotation.estargzToc]: digest, [Annotation.estargzSize]: String(plain) };
  }
  return { bytes: bytes(), annotations: () => annotations };
}

/** The archive as it is, cut before each chunk of a file. */
async function* membersOf(tar: Bytes, toc: TocWriter): AsyncGenerator<MemberInput> {
  let taken: Buffer[] = [];
  const input = new TarSource(tar, WHAT, (piece) => taken.push(piece));
  const pass = (): Buffer[] => {
    const passed = taken;
    taken = [];
    return passed;
  };
  try {
    for (;;) {
      const read = await readHeader(input);
      yield* pass();
      if (read === undefined) break;
      const header = checked(read);
      for (const chunk of toc.begin(header)?.chunks() ?? []) {
        yield MEMBER_END;
        for (let left = chunk.size; left > 0;) {
          const piece = await input.some(left);
          left -= piece.length;
          chunk.update(piece);
          yield* pass();
        }
      }
      if (!(await input.skipPadding(padding(header.size))))
        throw new VarveError("unsupported", "Cannot write an eStargz layer: its archive ends within a block");
      yield* pass();
    }
    for await (const piece of input.rest()) {
      pass();
      yield piece;
    }
  } finally {
    await input.close();
  }
}

function checked({ header, sparse }: NonNullable<Awaited<ReturnType<typeof readHeader>>>): typeof header {
  if (sparse !== undefined) throw new VarveError("unsupported", "Cannot write an eStargz layer: it has sparse files");
  if (header.path === TOC_NAME)
    throw new VarveError("unsupported", `Cannot write an eStargz layer: it has a file of its own called ${TOC_NAME}`);
  return header;
}
