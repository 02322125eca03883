/**
 * The end of an eStargz blob: an empty gzip member whose extra field holds, as 16 hexadecimal digits, where the member with
 * the table of contents begins. eStargz specification (stargz-snapshotter, docs/estargz.md), "Footer".
 */
export const FOOTER_SIZE = 51;

const DIGITS = 16;
/** FEXTRA, no time, unknown system; an extra field of 26 bytes; subfield "SG" of 22 bytes. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0]);
/** The subfield's end; a stored block of no bytes, the last one; checksum and size, both zero. */
const TAIL = Buffer.concat([Buffer.from("STARGZ"), Buffer.from([1, 0, 0, 0xff, 0xff]), Buffer.alloc(8)]);

export function encodeFooter(tocOffset: number): Buffer {
  return Buffer.concat([HEAD, Buffer.from(tocOffset.toString(16).padStart(DIGITS, "0")), TAIL]);
}

/** Where the table of contents begins, after a blob's last `FOOTER_SIZE` bytes; undefined if they are no footer. */
export function parseFooter(footer: Buffer): number | undefined {
  const digits = footer.toString("latin1", HEAD.length, HEAD.length + DIGITS);
  const tocOffset = /^[0-9a-f]{16}$/.test(digits) ? Number.parseInt(digits, 16) : Infinity;
  return Number.isSafeInteger(tocOffset) && encodeFooter(tocOffset).equals(footer) ? tocOffset : undefined;
}
