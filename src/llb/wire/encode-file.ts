import type { Chown, CopyAction, FileAction, FileOp, UserRef } from "../model/file-op.ts";
import { ProtoWriter } from "./protobuf.ts";

/** The members of the `oneof action` in `pb.FileAction`, in the order of their field numbers from `FIRST_ACTION_FIELD`. */
export const ACTION_KINDS = ["copy", "mkfile", "mkdir", "rm", "symlink"] as const;
export const FIRST_ACTION_FIELD = 4;

/** Encodes the body of a `pb.FileOp`. */
export function encodeFile(op: FileOp): ProtoWriter {
  const writer = new ProtoWriter();
  for (const action of op.actions) {
    const indexes = new ProtoWriter().varint(1, action.input).varint(2, action.secondaryInput).varint(3, action.output);
    writer.message(2, indexes.message(FIRST_ACTION_FIELD + ACTION_KINDS.indexOf(action.kind), encodeAction(action)));
  }
  return writer;
}

function encodeAction(action: FileAction): ProtoWriter {
  const writer = new ProtoWriter();
  switch (action.kind) {
    case "copy":
      return encodeCopy(action);
    case "mkfile":
      return writer
        .bytes(1, action.path)
        .varint(2, action.mode)
        .bytes(3, action.data)
        .message(4, encodeChown(action.owner))
        .varint(5, action.timestamp);
    case "mkdir":
      return writer
        .bytes(1, action.path)
        .varint(2, action.mode)
        .varint(3, action.makeParents)
        .message(4, encodeChown(action.owner))
        .varint(5, action.timestamp);
    case "symlink":
      return writer
        .bytes(1, action.oldpath)
        .bytes(2, action.newpath)
        .message(3, encodeChown(action.owner))
        .varint(4, action.timestamp);
    case "rm":
      return writer.bytes(1, action.path).varint(2, action.allowNotFound).varint(3, action.allowWildcard);
  }
}

function encodeCopy(action: CopyAction): ProtoWriter {
  return new ProtoWriter()
    .bytes(1, action.src)
    .bytes(2, action.dest)
    .message(3, encodeChown(action.owner))
    .varint(4, action.mode)
    .varint(5, action.followSymlink)
    .varint(6, action.dirCopyContents)
    .varint(7, action.attemptUnpack)
    .varint(8, action.createDestPath)
    .varint(9, action.allowWildcard)
    .varint(10, action.allowEmptyWildcard)
    .varint(11, action.timestamp)
    .repeated(12, action.includePatterns)
    .repeated(13, action.excludePatterns)
    .varint(14, action.alwaysReplaceExistingDestPaths)
    .bytes(15, action.modeStr)
    .repeated(16, action.requiredPaths);
}

function encodeChown(owner: Chown | undefined): ProtoWriter | undefined {
  if (owner === undefined) return undefined;
  return new ProtoWriter().message(1, encodeUser(owner.user)).message(2, encodeUser(owner.group));
}

function encodeUser(user: UserRef | undefined): ProtoWriter | undefined {
  if (user === undefined) return undefined;
  const writer = new ProtoWriter();
  if (user.kind === "name") return writer.message(1, new ProtoWriter().bytes(1, user.name).varint(2, user.input));
  return writer.oneofVarint(2, user.id);
}
