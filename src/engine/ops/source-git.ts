import { gitKey } from "../../llb/index.ts";
import type { GitRequest } from "../../source/index.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source } from "./source-types.ts";

/** Returns the source of a git commit. Its key does not depend on the remote. */
export function gitSource(identifier: string, attrs: ReadonlyMap<string, string>, deps: OpDeps): Source {
  const base = requestOf(identifier, attrs);
  const request = async (): Promise<GitRequest> => ({ ...base, ...(await credentials(base.remote, attrs, deps)) });
  return {
    keys: async (hold) => {
      const { commit, ref } = await deps.git.resolve(await request(), hold);
      const { keepGitDir = false, subdir = "", skipSubmodules = false } = base;
      return [gitKey({ commit, ref, keepGitDir, subdir, skipSubmodules, mtime: attrs.get("git.mtime") ?? "" })];
    },
    result: async (hold) => {
      const resolved = await deps.git.resolve(await request(), hold);
      return recordResult(await deps.git.record(resolved, hold));
    },
    time: async (hold) => await deps.git.time(await deps.git.resolve(await request(), hold), hold),
  };
}

function requestOf(identifier: string, attrs: ReadonlyMap<string, string>): GitRequest {
  const at = identifier.indexOf("#");
  const location = at < 0 ? identifier : identifier.slice(0, at);
  const [ref = "", ...folders] = at < 0 ? [] : identifier.slice(at + 1).split(":");
  const subdir = folders.join(":");
  return {
    remote: attrs.get("git.fullurl") ?? `https://${location}`,
    keepGitDir: attrs.get("git.keepgitdir") === "true",
    skipSubmodules: attrs.get("git.skipsubmodules") === "true",
    commitTimes: attrs.get("git.mtime") === "commit",
    fetchByCommit: attrs.get("git.fetchbycommit") === "true",
    ...(ref === "" ? {} : { ref }),
    ...(subdir === "" ? {} : { subdir }),
    ...(attrs.has("git.checksum") ? { checksum: attrs.get("git.checksum") ?? "" } : {}),
  };
}

/** Returns the credentials for a remote: for SSH an agent; for HTTP a header, or a token in the format that GitHub accepts. */
async function credentials(
  remote: string,
  attrs: ReadonlyMap<string, string>,
  { client }: OpDeps,
): Promise<Partial<Pick<GitRequest, "auth" | "sshSocket">>> {
  if (remote.startsWith("ssh://") || /^[^/:]+@/.test(remote)) {
    const sshSocket = await client.agent(attrs.get("git.mountsshsock") ?? "default", true);
    return sshSocket === undefined ? {} : { sshSocket };
  }
  const header = await client.secret(attrs.get("git.authheadersecret") ?? "GIT_AUTH_HEADER", true);
  if (header !== undefined) return { auth: { url: remote, header: Buffer.from(header).toString().trim() } };
  const token = await client.secret(attrs.get("git.authtokensecret") ?? "GIT_AUTH_TOKEN", true);
  if (token === undefined) return {};
  const basic = Buffer.from(`x-access-token:${Buffer.from(token).toString().trim()}`).toString("base64");
  return { auth: { url: remote, header: `basic ${basic}` } };
}
