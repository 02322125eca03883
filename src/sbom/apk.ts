import { lines } from "./fields.ts";
import { type Cataloger, type Distribution, type FoundPackage, distroOf, packageUrl } from "./package.ts";

/** Packages of Alpine. The file has a paragraph for each, whose lines begin with a letter and a colon. */
export const APK: Cataloger = {
  matches: (path) => path === "lib/apk/db/installed" || path === "usr/lib/apk/db/installed",
  limit: 64 * 1024 * 1024,
  read: (bytes, distribution) => {
    const found: FoundPackage[] = [];
    let fields = new Map<string, string>();
    const end = (): void => {
      const one = packageOf(fields, distribution);
      if (one !== undefined) found.push(one);
      fields = new Map();
    };
    for (const line of lines(bytes.toString())) {
      if (line === "") end();
      else if (/^[PVALm]:/.test(line)) fields.set(line.slice(0, 1), line.slice(2));
    }
    end();
    return found;
  },
};

function packageOf(fields: ReadonlyMap<string, string>, distribution: Distribution): FoundPackage | undefined {
  const [name = "", version = ""] = [fields.get("P"), fields.get("V")];
  if (name === "" || version === "") return undefined;
  const qualifiers = { arch: fields.get("A") ?? "", distro: distroOf(distribution) };
  const purl = packageUrl("apk", [distribution.id || "alpine", name], version, qualifiers);
  return { name, version, purl, supplier: fields.get("m"), license: fields.get("L") };
}
