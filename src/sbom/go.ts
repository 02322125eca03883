import { lines } from "./fields.ts";
import { type FoundPackage, packageUrl } from "./package.ts";
import { type ReadAt, sectionOf } from "./elf.ts";

/** The section of a program that Go has linked: a header, then Go's version and the modules as text with their lengths. */
const SECTION = ".go.buildinfo";
const MAGIC = Buffer.from("\u00ff Go buildinf:", "latin1");
const HEADER = 32;
/** Of the flags: the texts follow the header. Versions of Go before 1.18 have pointers instead. */
const INLINE = 2;
/** The text of the modules is between two marks of this length. */
const MARK = 16;
const MAX_SECTION = 16 * 1024 * 1024;

/** Returns the modules in a program of Go 1.18 or later; none for any other file. */
export function goModules(read: ReadAt): FoundPackage[] {
  const section = sectionOf(read, SECTION);
  if (section === undefined || section.size > MAX_SECTION) return [];
  const bytes = read(section.offset, section.size);
  const flags = bytes[MAGIC.length + 1] ?? 0;
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC) || (flags & INLINE) === 0) return [];
  const version = readText(bytes, HEADER);
  const modules = version && readText(bytes, version.end);
  return modules === undefined ? [] : packagesOf(modules.text.toString("utf8", MARK, modules.text.length - MARK));
}

/** Reads a text that its length precedes, in 7 bits a byte, lowest first. */
function readText(bytes: Buffer, start: number): { readonly text: Buffer; readonly end: number } | undefined {
  let length = 0;
  let at = start;
  for (let shift = 0; shift <= 28; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte >= 0x80) continue;
    const end = at + length;
    return end > bytes.length ? undefined : { text: bytes.subarray(at, end), end };
  }
  return undefined;
}

/** Reads lines such as `dep⇥golang.org/x/text⇥v0.3.0⇥h1:…`. A line `=>` replaces the module above it. */
function packagesOf(text: string): FoundPackage[] {
  const modules: { readonly path: string; readonly version: string }[] = [];
  for (const line of lines(text)) {
    const [kind = "", path = "", version = ""] = line.split("\t");
    if (kind === "=>") modules.pop();
    if (["mod", "dep", "=>"].includes(kind) && path !== "" && version !== "") modules.push({ path, version });
  }
  return modules.map(({ path: name, version }) => {
    return { name, version, purl: packageUrl("golang", name.split("/"), version) };
  });
}
