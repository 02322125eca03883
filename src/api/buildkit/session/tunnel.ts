import type { Duplex } from "node:stream";
import { type BidiCall, type Implementation, bidiStream, tunnel } from "../../../grpc/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { Control } from "../proto/gen/control_pb.ts";
import { readSessionHeaders } from "./headers.ts";
import type { SessionManager } from "./manager.ts";

/** Returns the method that opens a session inside a call. The call ends when the session does. */
export function sessionMethod(sessions: SessionManager): Implementation {
  return bidiStream(bytesMethod(Control.method.session), async ({ batches: pieces }, send, call) => {
    call.sendHeaders();
    const connection = tunnel({ pieces, send, end: () => undefined, cancel: () => undefined });
    await sessions.serve(connection, readSessionHeaders(call.metadata), { signal: call.signal });
  });
}

/** Returns the connection inside a call that carries bytes both ways. */
export function connectionOf({ responses, send, end, cancel }: BidiCall<Uint8Array, Uint8Array>): Duplex {
  return tunnel({ pieces: responses.batches, send, end, cancel: () => cancel() });
}
