import type { OrderedJson } from "../../core/index.ts";
import type { Chown, FileAction, UserRef } from "../../llb/index.ts";
import { nonZero } from "./non-zero.ts";

/** Returns a file action as Go prints BuildKit's `pb.FileAction`. */
export function actionJson(action: FileAction): OrderedJson {
  const { input, secondaryInput, output } = action;
  return { input, secondaryInput, output, Action: { [action.kind]: bodyJson(action) } };
}

function bodyJson(action: FileAction): OrderedJson {
  switch (action.kind) {
    case "copy":
      return nonZero({
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
      return nonZero({ path, mode, data: Buffer.from(data).toString("base64"), owner: chownJson(owner), timestamp });
    }
    case "mkdir": {
      const { path, mode, makeParents, owner, timestamp } = action;
      return nonZero({ path, mode, makeParents, owner: chownJson(owner), timestamp });
    }
    case "symlink": {
      const { oldpath, newpath, owner, timestamp } = action;
      return nonZero({ oldpath, newpath, owner: chownJson(owner), timestamp });
    }
    case "rm": {
      const { path, allowNotFound, allowWildcard } = action;
      return nonZero({ path, allowNotFound, allowWildcard });
    }
  }
}

function chownJson(owner: Chown | undefined): OrderedJson {
  return owner && nonZero({ user: userJson(owner.user), group: userJson(owner.group) });
}

function userJson(user: UserRef | undefined): OrderedJson {
  if (user === undefined) return undefined;
  return {
    User:
      user.kind === "name" ? { byName: nonZero({ name: user.name, input: user.input }) } : nonZero({ byId: user.id }),
  };
}
