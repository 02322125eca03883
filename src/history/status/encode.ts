import type { LineRange } from "../../dockerfile/index.ts";
import { ProtoWriter } from "../../llb/index.ts";
import type {
  StatusMessage,
  Timestamp,
  VertexLogMessage,
  VertexMessage,
  VertexStatusMessage,
  VertexWarningMessage,
} from "./messages.ts";

/**
 * Encodes a message of BuildKit's status stream. The code that is made from the definitions of the API does so too, but loading it takes
 * a good part of the time of a cached build, whose status is stored as well.
 */
export function encodeStatusMessage({ vertexes, statuses, logs, warnings }: StatusMessage): Uint8Array {
  const writer = new ProtoWriter();
  for (const each of vertexes) writer.message(1, vertex(each));
  for (const each of statuses) writer.message(2, status(each));
  for (const each of logs) writer.message(3, log(each));
  for (const each of warnings) writer.message(4, warning(each));
  return writer.finish();
}

function vertex({
  digest,
  inputs,
  name,
  cached,
  started,
  completed,
  error,
  progressGroup,
}: VertexMessage): ProtoWriter {
  const group =
    progressGroup &&
    new ProtoWriter().bytes(1, progressGroup.id).bytes(2, progressGroup.name).varint(3, progressGroup.weak);
  return new ProtoWriter()
    .bytes(1, digest)
    .repeated(2, inputs)
    .bytes(3, name)
    .varint(4, cached)
    .message(5, time(started))
    .message(6, time(completed))
    .bytes(7, error)
    .message(8, group);
}

function status(message: VertexStatusMessage): ProtoWriter {
  return new ProtoWriter()
    .bytes(1, message.id)
    .bytes(2, message.vertex)
    .bytes(3, message.name)
    .varint(4, message.current)
    .varint(5, message.total)
    .message(6, time(message.timestamp))
    .message(7, time(message.started))
    .message(8, time(message.completed));
}

function log({ vertex: owner, timestamp, stream, msg }: VertexLogMessage): ProtoWriter {
  return new ProtoWriter().bytes(1, owner).message(2, time(timestamp)).varint(3, stream).bytes(4, msg);
}

function warning({ vertex: owner, level, short, detail, url, info, ranges }: VertexWarningMessage): ProtoWriter {
  const source = info && new ProtoWriter().bytes(1, info.filename).bytes(2, info.data).bytes(4, info.language);
  const writer = new ProtoWriter()
    .bytes(1, owner)
    .varint(2, level)
    .bytes(3, short)
    .repeated(4, detail)
    .bytes(5, url)
    .message(6, source);
  for (const { start, end } of ranges)
    writer.message(7, new ProtoWriter().message(1, position(start)).message(2, position(end)));
  return writer;
}

function position({ line, character }: LineRange["start"]): ProtoWriter {
  return new ProtoWriter().varint(1, line).varint(2, character);
}

function time(timestamp: Timestamp | undefined): ProtoWriter | undefined {
  return timestamp && new ProtoWriter().varint(1, timestamp.seconds).varint(2, timestamp.nanos);
}
