import { type JsonObject, parseJson } from "../core/index.ts";
import { type Cataloger, packageUrl } from "./package.ts";

const INSTALLED = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/;

/** Packages that npm and its relatives have installed: each has a `package.json` in a `node_modules`. */
export const NPM: Cataloger = {
  matches: (path) => INSTALLED.test(path),
  limit: 1024 * 1024,
  read: (bytes) => {
    const json = parseJson(bytes, "a package.json").object();
    const [name = "", version = ""] = [json?.string("name"), json?.string("version")];
    if (json === undefined || !/^(?:@[^/@]+\/)?[^/@]+$/.test(name) || version === "") return [];
    return [{ name, version, purl: packageUrl("npm", name.split("/"), version), license: licenseOf(json) }];
  },
};

/** Old packages have an object instead of an expression. */
function licenseOf(json: JsonObject): string | undefined {
  const { raw } = json.field("license");
  return typeof raw === "string" ? raw : undefined;
}
