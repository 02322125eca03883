/**
 * The capabilities that this engine has: all that BuildKit lists of its `solver/pb/caps.go`. A client that sees one missing does without it,
 * or says which one it needs. Each line has one family.
 */
const SUPPORTED: readonly string[] = [
  ...family("source.image", "", "resolvemode", "layerlimit", "checksum"),
  ...family("source.local", "", "unique", "sessionid", "includepatterns", "followpaths", "excludepatterns"),
  ...family("source.local", "sharedkeyhint", "differ", "metadatatransfer"),
  ...family("source.git", "", "keepgitdir", "fullurl", "httpauth", "knownsshhosts", "mountsshsock", "subdir"),
  ...family(
    "source.git",
    "checksum",
    "skipsubmodules",
    "mtime",
    "fetchbycommit",
    "bundle",
    "checkoutbundle",
    "signatureverify",
  ),
  ...family("source.http", "", "auth", "checksum", "perm", "header", "signatureverify"),
  "soruce.http.uidgid", // Misspelt in BuildKit too.
  ...family("source", "imageblob", "ocilayout", "buildop.llbfilename", "policy", "policy.session"),
  ...family("exec.meta", "base", "cgroup.parent", "linux.resources", "network", "proxyenv", "security"),
  ...family("exec.meta", "security.devices.v1", "network.proxy", "setsdefaultpath", "ulimit", "cdi"),
  ...family("exec.mount", "bind", "bind.readwrite-nooutput", "cache", "cache.content", "cache.sharing", "selector"),
  ...family("exec.mount", "secret", "ssh", "tmpfs", "tmpfs.size"),
  ...family("exec", "cgroup", "secretenv", "validexitcode"),
  ...family("file", "base", "rm.wildcard", "rm.nofollowsymlink", "symlink.create"),
  ...family("file.copy", "includeexcludepatterns", "requiredpaths", "alwaysreplaceexistingdestpaths"),
  ...family("meta", "ignorecache", "description", "exportcache"),
  ...family("exporter", "image.annotations", "image.attestations", "sourcedateepoch", "multiple", "session"),
  ...family("", "constraints", "platform", "mergeop", "diffop", "passthroughop"),
  ...family("", "gc.freespacefilter", "history.filter"),
  ...family("cache", "azblob", "gha", "s3"),
];

/** Capabilities that BuildKit defines but does not list, so that clients do not ask for them. They are accepted. */
const UNLISTED: readonly string[] = ["file.copy.modestring", "exec.meta.removemountstubs.recursive"];

function family(prefix: string, ...names: readonly string[]): string[] {
  return names.map((name) => [prefix, name].filter((part) => part !== "").join("."));
}

/** The capabilities of graphs and exporters that a builder lists for its clients, sorted. */
export const llbCapabilities: readonly string[] = SUPPORTED.toSorted();

const accepted = new Set([...SUPPORTED, ...UNLISTED]);

/** Returns why a capability that a client needs is not there, in BuildKit's words; undefined if it is there. */
export function missingCapability(id: string): string | undefined {
  return accepted.has(id) ? undefined : `unknown API capability ${id}`;
}
