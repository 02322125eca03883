import { paragraphs } from "./fields.ts";
import { type Cataloger, packageUrl } from "./package.ts";

const INSTALLED = /\.(?:dist-info\/METADATA|egg-info\/PKG-INFO|egg-info)$/;

/** Packages of Python: each has a folder or a file with its metadata. */
export const PYTHON: Cataloger = {
  matches: (path) => INSTALLED.test(path),
  limit: 4 * 1024 * 1024,
  read: (bytes) => {
    const [fields] = paragraphs(bytes.toString());
    const [name = "", version = ""] = [fields?.get("name"), fields?.get("version")];
    if (fields === undefined || name === "" || version === "") return [];
    const normalized = name.toLowerCase().replaceAll(/[-_.]+/g, "-");
    const license = fields.get("license-expression") ?? fields.get("license");
    const supplier = fields.get("author") ?? fields.get("author-email");
    return [{ name, version, purl: packageUrl("pypi", [normalized], version), supplier, license }];
  },
};
