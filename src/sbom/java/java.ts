import { basename } from "node:path/posix";
import { lines, paragraphs } from "../fields.ts";
import { type Cataloger, type FoundPackage, packageUrl } from "../package.ts";
import { type ZipEntry, zipEntries } from "./zip.ts";

const ARCHIVE = /\.(?:jar|war|ear)$/i;
const MANIFEST = "META-INF/MANIFEST.MF";
const PROPERTIES = /^META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
/** `name-1.2.3.jar`, as Maven names archives. */
const FILE_NAME = /^(.+?)-(\d[^/]*)\.(?:jar|war|ear)$/i;
/** What can be a part of a Maven coordinate. Anything else is text that somebody wrote for people. */
const COORDINATE = /^[\w.-]+$/;
const VERSION = /^[\w.+-]+$/;
const MAX_TEXT = 1024 * 1024;
/** Archives may contain archives: those of Spring Boot and of application servers do. */
const MAX_DEPTH = 3;
const MAX_ARCHIVE = 64 * 1024 * 1024;
/** Bytes that are inflated of one file, all archives in it together. */
const MAX_INFLATED = 256 * 1024 * 1024;

/** Archives of Java: Maven says what is in them, or their manifest. */
export const JAVA: Cataloger = {
  matches: (path) => ARCHIVE.test(path),
  limit: 512 * 1024 * 1024,
  read: (bytes, { path }) => packagesOf(bytes, basename(path), { depth: 1, left: { bytes: MAX_INFLATED } }),
};

interface Bounds {
  readonly depth: number;
  /** Shared by all archives of a file. */
  readonly left: { bytes: number };
}

function packagesOf(archive: Buffer, fileName: string, { depth, left }: Bounds): FoundPackage[] {
  const found: FoundPackage[] = [];
  const nested: FoundPackage[] = [];
  let manifest: ReadonlyMap<string, string> | undefined;
  const read = (entry: ZipEntry, limit: number): Buffer | undefined => {
    const content = entry.read(Math.min(limit, left.bytes));
    left.bytes -= content?.length ?? 0;
    return content;
  };
  for (const entry of zipEntries(archive)) {
    if (left.bytes <= 0) break;
    if (entry.name === MANIFEST) manifest = manifestOf(read(entry, MAX_TEXT)?.toString() ?? "");
    else if (PROPERTIES.test(entry.name)) found.push(...mavenPackage(read(entry, MAX_TEXT)?.toString() ?? ""));
    else if (depth < MAX_DEPTH && ARCHIVE.test(entry.name)) {
      const inner = read(entry, MAX_ARCHIVE);
      if (inner !== undefined) nested.push(...packagesOf(inner, basename(entry.name), { depth: depth + 1, left }));
    }
  }
  const own = found.length > 0 ? found : manifestPackage(fileName, manifest);
  return [...own, ...nested];
}

/** The first paragraph of a manifest. A line that begins with a space continues the line above, without a space in between. */
function manifestOf(text: string): ReadonlyMap<string, string> | undefined {
  const [first] = paragraphs(text.replaceAll(/\r?\n /g, ""));
  return first;
}

/** `key=value` lines of Maven's `pom.properties`. */
function mavenPackage(text: string): FoundPackage[] {
  const values = new Map<string, string>();
  for (const line of lines(text)) {
    const [, key = "", value = ""] = /^\s*(groupId|artifactId|version)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== "") values.set(key, value);
  }
  return mavenCoordinates(values.get("groupId"), values.get("artifactId"), values.get("version"), {});
}

/** Without Maven's files, the manifest and the name of the archive say what it is. */
function manifestPackage(fileName: string, manifest: ReadonlyMap<string, string> | undefined): FoundPackage[] {
  if (manifest === undefined) return [];
  const [, named, numbered] = FILE_NAME.exec(fileName) ?? [];
  const field = (...names: readonly string[]): string | undefined =>
    names.map((name) => manifest.get(name)).find((value) => value !== undefined && VERSION.test(value));
  const symbolic = manifest.get("bundle-symbolicname")?.split(";")[0]?.trim();
  const artifact = named ?? (symbolic !== undefined && COORDINATE.test(symbolic) ? symbolic : undefined);
  return mavenCoordinates(
    field("implementation-vendor-id") ?? "",
    artifact ?? fileName.replace(ARCHIVE, ""),
    field("implementation-version", "bundle-version", "specification-version") ?? numbered,
    {
      supplier: manifest.get("implementation-vendor") ?? manifest.get("bundle-vendor"),
      license: manifest.get("bundle-license"),
    },
  );
}

function mavenCoordinates(
  group = "",
  artifact = "",
  version = "",
  rest: Pick<FoundPackage, "supplier" | "license">,
): FoundPackage[] {
  const parts = group === "" ? [artifact] : [group, artifact];
  if (!parts.every((part) => COORDINATE.test(part)) || !VERSION.test(version)) return [];
  return [{ name: parts.join(":"), version, purl: packageUrl("maven", parts, version), ...rest }];
}
