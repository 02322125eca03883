import { VarveError } from "../../core/index.ts";
import { ACTION_KINDS, FIRST_ACTION_FIELD } from "./encode-file.ts";
import type {
  ActionIndexes,
  Chown,
  CopyAction,
  FileAction,
  FileActionBody,
  FileOp,
  MkdirAction,
  MkfileAction,
  RmAction,
  SymlinkAction,
  UserRef,
} from "../model/file-op.ts";
import {
  asBool,
  asBytes,
  asInt,
  asInt32,
  asInt64,
  asText,
  asUint32,
  readFields,
  readInto,
  type ProtoField,
  type Writable,
} from "./protobuf.ts";

/** Reads the body of a `pb.FileOp`. */
export function decodeFile(bytes: Uint8Array): FileOp {
  const actions: FileAction[] = [];
  for (const field of readFields(bytes)) if (field.number === 2) actions.push(decodeAction(asBytes(field)));
  return { kind: "file", actions };
}

function decodeAction(bytes: Uint8Array): FileAction {
  const indexes: Writable<ActionIndexes> = { input: 0, secondaryInput: 0, output: 0 };
  let body: FileActionBody | undefined;
  for (const field of readFields(bytes)) {
    const kind = ACTION_KINDS[field.number - FIRST_ACTION_FIELD];
    if (kind !== undefined) body = decodeBody(kind, asBytes(field));
    else if (field.number === 1) indexes.input = asInt(field);
    else if (field.number === 2) indexes.secondaryInput = asInt(field);
    else if (field.number === 3) indexes.output = asInt(field);
  }
  if (body === undefined) throw new VarveError("unsupported", "invalid file op: an action has an unknown kind");
  return { ...indexes, ...body };
}

function decodeBody(kind: FileAction["kind"], bytes: Uint8Array): FileActionBody {
  switch (kind) {
    case "copy":
      return decodeCopy(bytes);
    case "mkfile":
      return decodeMkfile(bytes);
    case "mkdir":
      return decodeMkdir(bytes);
    case "symlink":
      return decodeSymlink(bytes);
    case "rm":
      return decodeRm(bytes);
  }
}

function decodeCopy(bytes: Uint8Array): CopyAction {
  const includePatterns: string[] = [];
  const excludePatterns: string[] = [];
  const requiredPaths: string[] = [];
  const action: Writable<CopyAction> = {
    kind: "copy",
    src: "",
    dest: "",
    mode: 0,
    modeStr: "",
    followSymlink: false,
    dirCopyContents: false,
    attemptUnpack: false,
    createDestPath: false,
    allowWildcard: false,
    allowEmptyWildcard: false,
    timestamp: 0n,
    alwaysReplaceExistingDestPaths: false,
    includePatterns,
    excludePatterns,
    requiredPaths,
  };
  readInto(bytes, [
    [1, (field) => (action.src = asText(field))],
    [2, (field) => (action.dest = asText(field))],
    [3, (field) => (action.owner = decodeChown(field))],
    [4, (field) => (action.mode = asInt32(field))],
    [5, (field) => (action.followSymlink = asBool(field))],
    [6, (field) => (action.dirCopyContents = asBool(field))],
    [7, (field) => (action.attemptUnpack = asBool(field))],
    [8, (field) => (action.createDestPath = asBool(field))],
    [9, (field) => (action.allowWildcard = asBool(field))],
    [10, (field) => (action.allowEmptyWildcard = asBool(field))],
    [11, (field) => (action.timestamp = asInt64(field))],
    [12, (field) => includePatterns.push(asText(field))],
    [13, (field) => excludePatterns.push(asText(field))],
    [14, (field) => (action.alwaysReplaceExistingDestPaths = asBool(field))],
    [15, (field) => (action.modeStr = asText(field))],
    [16, (field) => requiredPaths.push(asText(field))],
  ]);
  return action;
}

function decodeMkfile(bytes: Uint8Array): MkfileAction {
  const action: Writable<MkfileAction> = {
    kind: "mkfile",
    path: "",
    mode: 0,
    data: new Uint8Array(),
    timestamp: 0n,
  };
  readInto(bytes, [
    [1, (field) => (action.path = asText(field))],
    [2, (field) => (action.mode = asInt32(field))],
    [3, (field) => (action.data = asBytes(field))],
    [4, (field) => (action.owner = decodeChown(field))],
    [5, (field) => (action.timestamp = asInt64(field))],
  ]);
  return action;
}

function decodeMkdir(bytes: Uint8Array): MkdirAction {
  const action: Writable<MkdirAction> = { kind: "mkdir", path: "", mode: 0, makeParents: false, timestamp: 0n };
  readInto(bytes, [
    [1, (field) => (action.path = asText(field))],
    [2, (field) => (action.mode = asInt32(field))],
    [3, (field) => (action.makeParents = asBool(field))],
    [4, (field) => (action.owner = decodeChown(field))],
    [5, (field) => (action.timestamp = asInt64(field))],
  ]);
  return action;
}

function decodeSymlink(bytes: Uint8Array): SymlinkAction {
  const action: Writable<SymlinkAction> = { kind: "symlink", oldpath: "", newpath: "", timestamp: 0n };
  readInto(bytes, [
    [1, (field) => (action.oldpath = asText(field))],
    [2, (field) => (action.newpath = asText(field))],
    [3, (field) => (action.owner = decodeChown(field))],
    [4, (field) => (action.timestamp = asInt64(field))],
  ]);
  return action;
}

function decodeRm(bytes: Uint8Array): RmAction {
  const action: Writable<RmAction> = { kind: "rm", path: "", allowNotFound: false, allowWildcard: false };
  readInto(bytes, [
    [1, (field) => (action.path = asText(field))],
    [2, (field) => (action.allowNotFound = asBool(field))],
    [3, (field) => (action.allowWildcard = asBool(field))],
  ]);
  return action;
}

function decodeChown(field: ProtoField): Chown {
  const owner: Writable<Chown> = {};
  readInto(asBytes(field), [
    [1, (part) => (owner.user = decodeUser(part))],
    [2, (part) => (owner.group = decodeUser(part))],
  ]);
  return owner;
}

function decodeUser(field: ProtoField): UserRef {
  let user: UserRef = { kind: "id", id: 0 };
  readInto(asBytes(field), [
    [1, (part) => (user = decodeName(part))],
    [2, (part) => (user = { kind: "id", id: asUint32(part) })],
  ]);
  return user;
}

function decodeName(field: ProtoField): UserRef {
  const named = { kind: "name" as const, name: "", input: 0 };
  readInto(asBytes(field), [
    [1, (part) => (named.name = asText(part))],
    [2, (part) => (named.input = asInt(part))],
  ]);
  return named;
}
