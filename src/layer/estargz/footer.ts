/**
 * Size of the footer in bytes. The footer ends an eStargz blob: an empty gzip member whose extra field has the offset of the
 * table of contents in the blob, as 16 hexadecimal digits. eStargz specification (stargz-snapshotter, docs/estargz.md),
 * "Footer".
 */
export const FOOTER_SIZE = 51;

const DIGITS = 16;
/** A gzip header (FEXTRA, no time, unknown system), an extra field of 26 bytes with a subfield "SG" of 22 bytes. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0]);
/** The end of the subfield, an empty last block, and checksum and size, which are 0. */
const TAIL = Buffer.concat([Buffer.from("STARGZ"), Buffer.from([1, 0, 0, 0xff, 0xff]), Buffer.alloc(8)]);

/** Returns the footer of a blob whose table of contents begins at `tocOffset`. */
export function encodeFooter(tocOffset: number): Buffer {
  return Buffer.concat([HEAD, Buffer.from(tocOffset.toString(16).padStart(DIGITS, "0")), TAIL]);
}

/** Returns the offset of the table of contents, given the last `FOOTER_SIZE` bytes of a blob. Undefined if it is no footer. */
export function parseFooter(footer: Buffer): number | undefined {
  const digits = footer.toString("latin1", HEAD.length, HEAD.length + DIGITS);
  const tocOffset = /^[0-9a-f]{16}$/.test(digits) ? Number.parseInt(digits, 16) : Infinity;
  return Number.isSafeInteger(tocOffset) && encodeFooter(tocOffset).equals(footer) ? tocOffset : undefined;
}
