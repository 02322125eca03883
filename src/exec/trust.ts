import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, utimesSync, writeSync } from "node:fs";
import { errnoOf } from "../core/index.ts";
import type { Root } from "../linux/index.ts";

/** Where systems keep the certificates that they trust. The first one that exists is used. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
/** Bytes. */
const MAX_BUNDLE = 10 * 1024 * 1024;
/** As in BuildKit. */
const BEGIN = "\n# buildkit proxy CA begin\n";
const END = "# buildkit proxy CA end\n";

/**
 * Adds an authority to the certificates that a root filesystem trusts, until the returned value is disposed of. Whatever else the file has
 * by then stays. A root filesystem without such a file, or on a read-only mount, stays as it is.
 */
export function trustAuthority(root: Root, certificate: string): Disposable {
  const block = `${BEGIN}${certificate}${END}`;
  for (const path of BUNDLES) {
    const added = change(root, path, (text) => `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${block}`);
    if (added) return { [Symbol.dispose]: () => void change(root, path, (text) => text.replace(block, "")) };
  }
  return { [Symbol.dispose]: () => undefined };
}

/** Changes a regular file of a root filesystem, in place. Its times stay. Returns false if there is none that can be changed. */
function change(root: Root, path: string, edit: (text: string) => string): boolean {
  using found = root.find(path);
  if (found === undefined || !fstatSync(found.fd).isFile() || fstatSync(found.fd).size > MAX_BUNDLE) return false;
  let fd: number;
  try {
    fd = openSync(found.path, constants.O_RDWR);
  } catch (error) {
    if (errnoOf(error) === "EROFS" || errnoOf(error) === "ETXTBSY") return false;
    throw error;
  }
  try {
    const { atime, mtime } = fstatSync(fd);
    const text = readFileSync(fd, "latin1");
    const edited = edit(text);
    if (edited === text) return true;
    const bytes = Buffer.from(edited, "latin1");
    ftruncateSync(fd, 0);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, at);
    utimesSync(`/proc/self/fd/${fd}`, atime, mtime);
    return true;
  } finally {
    closeSync(fd);
  }
}
