import { VarveError } from "../../core/index.ts";
import { gitKey, gitSourceOf } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { BlobRequest, GitBundle, GitRequest, ResolvedGit } from "../../source/index.ts";
import { blobDigest } from "../../source/index.ts";
import { type Attributes, clientStore } from "./attributes.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source } from "./source-types.ts";

/** Returns the source of a git commit. Its key does not depend on the remote. `onCommit` is called when the commit is known. */
export function gitSource(
  identifier: string,
  attrs: Attributes,
  deps: OpDeps,
  onCommit: (commit: string) => void = () => undefined,
): Source {
  const mtime = attrs.get("git.mtime") ?? "";
  return {
    keys: async (hold) => {
      const { commit, ref, request } = await resolveGit(identifier, attrs, deps, hold);
      onCommit(commit);
      const { keepGitDir = false, subdir = "", skipSubmodules = false, checkoutBundle = false } = request;
      return [gitKey({ commit, ref, keepGitDir, subdir, skipSubmodules, mtime, checkoutBundle })];
    },
    result: async (hold) => {
      const resolved = await deps.git.resolve(await gitRequest(identifier, attrs, deps, hold), hold);
      return recordResult(await deps.git.record(resolved, hold));
    },
  };
}

type RequestDeps = Pick<OpDeps, "images" | "client" | "content">;

/** Returns the time of a commit, in seconds since 1970. Throws as `resolveGit`. */
export async function gitTime(
  identifier: string,
  attrs: Attributes,
  deps: RequestDeps & Pick<OpDeps, "git">,
  hold: Hold,
): Promise<number> {
  return await deps.git.time(await resolveGit(identifier, attrs, deps, hold), hold);
}

/**
 * Returns the commit of a git source, after verifying the signature that the attributes may ask for.
 *
 * @throws {VarveError} As `GitSource.resolve` and `GitSource.verify`; `invalid-argument` for a malformed attribute.
 */
export async function resolveGit(
  identifier: string,
  attrs: Attributes,
  deps: RequestDeps & Pick<OpDeps, "git">,
  hold: Hold,
): Promise<ResolvedGit> {
  const resolved = await deps.git.resolve(await gitRequest(identifier, attrs, deps, hold), hold);
  const isTrue = (name: string): boolean => attrs.get(`git.sig.${name}`) === "true";
  if ([...attrs.keys()].some((key) => key.startsWith("git.sig."))) {
    const keys = Buffer.from(attrs.get("git.sig.pubkey") ?? "");
    const [requireSignedTag, ignoreSignedTag] = [isTrue("requiresignedtag"), isTrue("ignoresignedtag")];
    const signer = { keys, rejectExpired: isTrue("rejectexpired"), requireSignedTag, ignoreSignedTag };
    await deps.git.verify(resolved, signer, hold);
  }
  return resolved;
}

/**
 * Returns the request of a git source, with the client's credentials for its remote.
 *
 * @throws {VarveError} `invalid-argument` for a malformed attribute; as the client's `agent`.
 */
async function gitRequest(identifier: string, attrs: Attributes, deps: RequestDeps, hold: Hold): Promise<GitRequest> {
  const base = requestOf(identifier, attrs);
  const bundle = bundleOf(attrs, deps, hold);
  return { ...base, bundle, ...(bundle === undefined ? await credentials(base.remote, attrs, deps) : {}) };
}

/** `user@host:path`, which git takes for SSH. */
const SCP = /^[^/:]+@[^/:]+:/;

function requestOf(identifier: string, attrs: Attributes): GitRequest {
  const { remote, ref, subdir } = gitSourceOf(identifier, attrs);
  return {
    remote,
    keepGitDir: attrs.get("git.keepgitdir") === "true",
    skipSubmodules: attrs.get("git.skipsubmodules") === "true",
    commitTimes: attrs.get("git.mtime") === "commit",
    fetchByCommit: attrs.get("git.fetchbycommit") === "true",
    checkoutBundle: attrs.get("git.checkoutbundle") === "true",
    knownSshHosts: attrs.get("git.knownsshhosts") || undefined,
    ref: ref === "" ? undefined : ref,
    subdir: subdir === "" ? undefined : subdir,
    checksum: attrs.get("git.checksum"),
  };
}

const BUNDLE = /^(docker-image\+blob|oci-layout\+blob):\/\/(.*)$/s;

/** Returns the bundle that a source names, a blob of a registry or of the client. */
function bundleOf(attrs: Attributes, { images, client, content }: RequestDeps, hold: Hold): GitBundle | undefined {
  const locator = attrs.get("git.bundle");
  if (locator === undefined || locator === "") return undefined;
  const [, scheme, name = ""] = BUNDLE.exec(locator) ?? [];
  if (scheme === undefined)
    throw new VarveError("invalid-argument", `failed to parse git.bundle locator ${JSON.stringify(locator)}`);
  const store = clientStore(attrs) ?? { store: name.replace(/@.*$/s, "") };
  const request: BlobRequest = scheme === "oci-layout+blob" ? { name, client: store } : { name };
  const digest = blobDigest(request);
  return {
    digest,
    open: async ({ signal }) => {
      await images.fetch(request, { ...hold, signal }, client.openStore);
      return { path: content.path(digest), [Symbol.asyncDispose]: () => Promise.resolve() };
    },
  };
}

/**
 * Returns the credentials for a remote: for SSH an agent; for HTTP a header, or a token in the format that GitHub accepts. A secret
 * for the host, with the host after its name, is preferred.
 */
async function credentials(
  remote: string,
  attrs: Attributes,
  { client }: RequestDeps,
): Promise<Partial<Pick<GitRequest, "auth" | "sshSocket">>> {
  if (remote.startsWith("ssh://") || SCP.test(remote)) {
    const id = attrs.get("git.mountsshsock") ?? "";
    const sshSocket = id === "" ? undefined : await client.agent(id, false);
    return sshSocket === undefined ? {} : { sshSocket };
  }
  const host = URL.parse(remote)?.host ?? "";
  const [header = "", token = ""] = ["git.authheadersecret", "git.authtokensecret"].map((name) => attrs.get(name));
  for (const suffix of host === "" ? [""] : [`.${host}`, ""])
    for (const [id, isToken] of [
      [header, false],
      [token, true],
    ] as const) {
      const secret = id === "" ? undefined : await client.secret(`${id}${suffix}`, true);
      if (secret !== undefined) return { auth: { url: remote, header: authorization(secret, isToken) } };
    }
  return {};
}

function authorization(secret: Uint8Array, isToken: boolean): string {
  const text = Buffer.from(secret).toString().trim();
  return isToken ? `basic ${Buffer.from(`x-access-token:${text}`).toString("base64")}` : text;
}
