import { paragraphs } from "./fields.ts";
import { type Cataloger, type FoundPackage, distroOf, packageUrl } from "./package.ts";

const STATUS = "var/lib/dpkg/status";

/** Packages of Debian and its relatives. Images without dpkg itself have one file for each package. */
export const DPKG: Cataloger = {
  matches: (path) => path === STATUS || (path.startsWith(`${STATUS}.d/`) && !path.endsWith(".md5sums")),
  limit: 64 * 1024 * 1024,
  read: (bytes, distribution) => {
    const found: FoundPackage[] = [];
    for (const fields of paragraphs(bytes.toString())) {
      const [name = "", version = ""] = [fields.get("package"), fields.get("version")];
      const status = fields.get("status");
      if (name === "" || version === "" || (status !== undefined && !status.endsWith(" installed"))) continue;
      const arch = fields.get("architecture") ?? "";
      const purl = packageUrl("deb", [distribution.id || "debian", name], version, {
        arch,
        distro: distroOf(distribution),
      });
      found.push({ name, version, purl, supplier: fields.get("maintainer") });
    }
    return found;
  },
};
