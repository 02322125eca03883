import { type Cataloger, type Distribution, type FoundPackage, distroOf, packageUrl } from "../package.ts";
import { berkeleyValues } from "./berkeley.ts";
import { readHeader } from "./header.ts";
import { ndbValues } from "./ndb.ts";
import { tableRows } from "./sqlite.ts";

/** Where distributions keep rpm's database, and the names of its files in the three formats. */
const DATABASE = /^(?:var\/lib\/rpm|usr\/lib\/sysimage\/rpm)\/(?:rpmdb\.sqlite|Packages\.db|Packages)$/;
/** Keys that rpm trusts are in its database as if they were packages. */
const KEY = "gpg-pubkey";

/** Packages of Fedora, Red Hat, SUSE and their relatives. */
export const RPM: Cataloger = {
  matches: (path) => DATABASE.test(path),
  limit: 256 * 1024 * 1024,
  read: (bytes, { distribution }) => {
    const found: FoundPackage[] = [];
    // A file that somebody made for it may name the same bytes any number of times.
    let left = bytes.length;
    for (const header of headersOf(bytes)) {
      left -= header.length;
      if (left < 0) break;
      const one = packageOf(header, distribution);
      if (one !== undefined) found.push(one);
    }
    return found;
  },
};

function* headersOf(bytes: Buffer): Generator<Buffer> {
  yield* berkeleyValues(bytes);
  yield* ndbValues(bytes);
  for (const [, blob] of tableRows(bytes, "Packages")) if (Buffer.isBuffer(blob)) yield blob;
}

function packageOf(header: Buffer, distribution: Distribution): FoundPackage | undefined {
  const { name, version: upstream, release, epoch, arch, vendor, license, source } = readHeader(header);
  if (name === "" || upstream === "" || name === KEY) return undefined;
  const version = release === "" ? upstream : `${upstream}-${release}`;
  const purl = packageUrl("rpm", [distribution.id, name], version, {
    arch,
    distro: distroOf(distribution),
    epoch: epoch === undefined ? "" : String(epoch),
    upstream: source,
  });
  return { name, version: epoch === undefined ? version : `${epoch}:${version}`, purl, supplier: vendor, license };
}
