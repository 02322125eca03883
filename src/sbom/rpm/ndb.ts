/** Reads `Packages.db` of rpm's own database (`ndb`, as openSUSE has it): lib/backend/ndb/rpmpkg.c of rpm. */
const FILE_MAGIC = "RpmP";
const SLOT_MAGIC = "Slot";
const BLOB_MAGIC = "BlbS";
const PAGE = 4096;
/** Bytes of a slot, of the header of a blob, and of the blocks that offsets count. */
const BLOCK = 16;
/** The header of the file takes the place of the first slots. */
const FIRST_SLOT = 32;

/** Yields the headers of the packages; none if the file is not such a database. */
export function* ndbValues(bytes: Buffer): Generator<Buffer> {
  if (magicAt(bytes, 0) !== FILE_MAGIC || bytes.length < FIRST_SLOT) return;
  const end = Math.min(bytes.length, bytes.readUInt32LE(12) * PAGE);
  for (let at = FIRST_SLOT; at + BLOCK <= end; at += BLOCK) {
    const [index, block] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
    if (magicAt(bytes, at) !== SLOT_MAGIC || index === 0) continue;
    const start = block * BLOCK;
    if (start + BLOCK > bytes.length || magicAt(bytes, start) !== BLOB_MAGIC) continue;
    if (bytes.readUInt32LE(start + 4) !== index) continue;
    yield bytes.subarray(start + BLOCK, start + BLOCK + bytes.readUInt32LE(start + 12));
  }
}

function magicAt(bytes: Buffer, at: number): string {
  return bytes.toString("latin1", at, at + 4);
}
