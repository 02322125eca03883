import { MAX_INPUT, invalidSignature } from "./failure.ts";

/** A block of text between `-----BEGIN <type>-----` and `-----END <type>-----`. */
export interface ArmoredBlock {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const EDGE = /^-----(BEGIN|END) ([A-Z ]{1,64})-----$/;

/**
 * Returns the armored blocks of a text: RFC 9580, section 6.2. Headers and checksums are ignored: the signature itself says
 * whether bytes are right.
 *
 * @throws {VarveError} `corrupt` for a block that does not end or is not base64.
 */
export function readArmor(data: Uint8Array, what: string): ArmoredBlock[] {
  if (data.length > MAX_INPUT) throw invalidSignature(`failed to read armored ${what}: it is too large`);
  const blocks: ArmoredBlock[] = [];
  let open: { readonly type: string; readonly lines: string[] } | undefined;
  for (const each of Buffer.from(data).toString("latin1").split("\n")) {
    const line = each.trim();
    const [, edge, type = ""] = EDGE.exec(line) ?? [];
    if (edge === "BEGIN") open = { type, lines: [] };
    else if (edge === "END" && open?.type === type) {
      blocks.push({ type, bytes: decode(open.lines, what) });
      open = undefined;
    } else open?.lines.push(line);
  }
  if (open !== undefined) throw invalidSignature(`failed to read armored ${what}: unexpected end`);
  return blocks;
}

function decode(lines: readonly string[], what: string): Uint8Array {
  // Headers, if there are any, end with an empty line.
  const blank = lines.indexOf("");
  const hasHeaders = blank >= 0 && lines.slice(0, blank).every((line) => line.includes(":"));
  const data = lines.slice(hasHeaders ? blank + 1 : 0);
  const text = data.filter((line) => !line.startsWith("=")).join("");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw invalidSignature(`failed to read armored ${what}: not base64`);
  return Buffer.from(text, "base64");
}
