import type { OrderedJson } from "../../core/index.ts";
import type { Chown, FileAction, UserRef } from "../model/file-op.ts";
import { omitEmpty } from "../model/go-json.ts";

/** Returns the fields of a file action as Go prints those of BuildKit's message, without its kind and its indexes. */
export function fileActionJson(action: FileAction): OrderedJson {
  switch (action.kind) {
    case "copy":
      return omitEmpty({
        src: action.src,
        dest: action.dest,
        owner: chownJson(action.owner),
        mode: action.mode,
        followSymlink: action.followSymlink,
        dirCopyContents: action.dirCopyContents,
        attemptUnpackDockerCompatibility: action.attemptUnpack,
        createDestPath: action.createDestPath,
        allowWildcard: action.allowWildcard,
        allowEmptyWildcard: action.allowEmptyWildcard,
        timestamp: action.timestamp,
        include_patterns: action.includePatterns,
        exclude_patterns: action.excludePatterns,
        alwaysReplaceExistingDestPaths: action.alwaysReplaceExistingDestPaths,
        modeStr: action.modeStr,
        required_paths: action.requiredPaths,
      });
    case "mkfile": {
      const { path, mode, data, owner, timestamp } = action;
      return omitEmpty({ path, mode, data: Buffer.from(data).toString("base64"), owner: chownJson(owner), timestamp });
    }
    case "mkdir": {
      const { path, mode, makeParents, owner, timestamp } = action;
      return omitEmpty({ path, mode, makeParents, owner: chownJson(owner), timestamp });
    }
    case "symlink": {
      const { oldpath, newpath, owner, timestamp } = action;
      return omitEmpty({ oldpath, newpath, owner: chownJson(owner), timestamp });
    }
    case "rm": {
      const { path, allowNotFound, allowWildcard } = action;
      return omitEmpty({ path, allowNotFound, allowWildcard });
    }
  }
}

function chownJson(owner: Chown | undefined): OrderedJson {
  return owner && omitEmpty({ user: userJson(owner.user), group: userJson(owner.group) });
}

function userJson(user: UserRef | undefined): OrderedJson {
  if (user === undefined) return undefined;
  const member = user.kind === "id" ? { byId: user.id } : { byName: omitEmpty({ name: user.name, input: user.input }) };
  return { User: omitEmpty(member) };
}
