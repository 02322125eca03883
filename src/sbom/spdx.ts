import { createHash } from "node:crypto";
import { type OrderedJson, compareBytes, goJson } from "../core/index.ts";
import type { FoundPackage } from "./package.ts";
import type { Evidence, Scan } from "./scan.ts";

/** Facts that a document has besides what was found. */
export interface DocumentFacts {
  readonly name: string;
  /** ISO 8601, with the time zone `Z` and without fractions of a second. */
  readonly created: string;
  /** Whoever made the document: `Tool: varve`. */
  readonly creator: string;
}

const NONE = "NOASSERTION";
const ROOT = "SPDXRef-DocumentRoot";

/** Returns what was found as an SPDX 2.3 document. The same tree gives the same document, but for the time. */
export function spdxDocument({ files, distribution }: Scan, { name, created, creator }: DocumentFacts): string {
  const packages = files.flatMap(({ packages: found }) => found).map(packageJson);
  const unique = [...new Map(packages.map((each) => [each.id, each.json])).values()];
  const links = files.flatMap(linksOf);
  const body = { distribution: { ...distribution }, unique, links };
  return goJson({
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `https://spdx.org/spdxdocs/${encodeURIComponent(name)}-${idOf(goJson(body))}`,
    creationInfo: { creators: [creator], created },
    packages: [rootPackage(name, distribution), ...unique],
    files: files.map(fileJson),
    relationships: [
      relationship("SPDXRef-DOCUMENT", "DESCRIBES", ROOT),
      ...[...new Set(packages.map(({ id }) => id))].map((id) => relationship(ROOT, "CONTAINS", id)),
      ...links,
    ],
  });
}

function rootPackage(name: string, { id, version }: Scan["distribution"]): OrderedJson {
  return {
    name,
    SPDXID: ROOT,
    versionInfo: id === "" ? undefined : [id, version].filter((part) => part !== "").join(" "),
    downloadLocation: NONE,
    filesAnalyzed: false,
    licenseConcluded: NONE,
    licenseDeclared: NONE,
    copyrightText: NONE,
    primaryPackagePurpose: "CONTAINER",
  };
}

function packageJson(found: FoundPackage): { readonly id: string; readonly json: OrderedJson } {
  const { name, version, purl, supplier, license } = found;
  const id = packageId(found);
  const json = {
    name,
    SPDXID: id,
    versionInfo: version,
    supplier: supplier === undefined || supplier === "" ? NONE : `Organization: ${supplier.split("\n", 1)[0] ?? ""}`,
    downloadLocation: NONE,
    filesAnalyzed: false,
    licenseConcluded: NONE,
    licenseDeclared: NONE,
    licenseComments: license === undefined || license === "" ? undefined : `As the package says: ${license}`,
    copyrightText: NONE,
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
  };
  return { id, json };
}

function packageId({ purl }: FoundPackage): string {
  return `SPDXRef-Package-${idOf(purl)}`;
}

function fileId({ path }: Evidence): string {
  return `SPDXRef-File-${idOf(path)}`;
}

function fileJson(file: Evidence): OrderedJson {
  return {
    fileName: `/${file.path}`,
    SPDXID: fileId(file),
    checksums: [
      { algorithm: "SHA1", checksumValue: file.sha1 },
      { algorithm: "SHA256", checksumValue: file.sha256 },
    ],
    licenseConcluded: NONE,
    licenseInfoInFiles: [NONE],
    copyrightText: NONE,
  };
}

/** The packages of a file are evident by it. SPDX 2.3 has no type for that. */
function linksOf(file: Evidence): OrderedJson[] {
  const ids = [...new Set(file.packages.map(packageId))].toSorted(compareBytes);
  return ids.map((id) => relationship(id, "OTHER", fileId(file), "evident-by: the package is named by this file"));
}

function relationship(from: string, type: string, to: string, comment?: string): OrderedJson {
  return { spdxElementId: from, relationshipType: type, relatedSpdxElement: to, comment };
}

/** Identifiers may contain letters, digits, dots and dashes only. */
function idOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
