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
  /** 0 to 9, as for gzip. */
  readonly level?: number | undefined;
  /** Called with the whole uncompressed stream: the archive, then the entry with the table of contents. */
  readonly onPlain: (piece: Uint8Array) => void;
}

export interface EstargzStream {
  /** The blob. Read it once, to its end. */
  readonly bytes: Bytes;
  /** Returns the annotations for the descriptor of the blob. Call it after the end of `bytes`. */
  annotations(): Readonly<Record<string, string>>;
}

const WHAT = "an archive";

/**
 * Compresses an archive into an eStargz blob. A gzip member begins at the content of each file, and at each chunk of a large
 * file. A table of contents follows as the last entry, and a footer with its offset. The archive is unchanged, including its
 * end marker, so that a reader of plain gzip never sees the table.
 * @throws {VarveError} `unsupported` if the archive has sparse files or a file with the name of the table, or if the padding of
 * its last entry is missing
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

/** Returns the archive unchanged, with a mark before each chunk of a file where a new gzip member begins. */
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
    throw new VarveError("unsupported", `Cannot write an eStargz layer: it contains a file called ${TOC_NAME}`);
  return header;
}
