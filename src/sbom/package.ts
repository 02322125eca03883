/** A package that was found in a tree. */
export interface FoundPackage {
  readonly name: string;
  readonly version: string;
  /** Its package URL. */
  readonly purl: string;
  /** Who supplies it, as the package says. */
  readonly supplier?: string | undefined;
  /** Its license, as the package says: not always an SPDX expression. */
  readonly license?: string | undefined;
}

/** The distribution of a tree, of its `os-release`. */
export interface Distribution {
  readonly id: string;
  readonly version: string;
}

/** Finds packages in files of one kind. */
export interface Cataloger {
  /** Whether a file, by its path without a slash at the start, says what is installed. */
  readonly matches: (path: string) => boolean;
  /** Maximum number of bytes of a file that are read. A larger file is left out. */
  readonly limit: number;
  /** Returns the packages that a file names. What it cannot read, it leaves out: anybody can have written the file. */
  readonly read: (bytes: Buffer, distribution: Distribution) => FoundPackage[];
}

/** Returns a package URL. Parts of the name and the values of qualifiers are escaped; empty qualifiers are left out. */
export function packageUrl(
  type: string,
  name: readonly string[],
  version: string,
  qualifiers: Readonly<Record<string, string>> = {},
): string {
  const escape = (text: string): string =>
    encodeURIComponent(text.toWellFormed())
      .replaceAll("%3A", ":")
      .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = name.filter((part) => part !== "").map(escape);
  const query = Object.entries(qualifiers).flatMap(([key, value]) => (value === "" ? [] : [`${key}=${escape(value)}`]));
  return `pkg:${type}/${path.join("/")}@${escape(version)}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

/** The distribution as a qualifier: `debian-12`. */
export function distroOf({ id, version }: Distribution): string {
  return version === "" ? id : `${id}-${version}`;
}
