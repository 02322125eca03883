import { messageOf } from "../core/index.ts";
import { GrpcCode } from "./code.ts";
import { GrpcError } from "./error.ts";
import { type Messages, messagesOf } from "./messages.ts";
import type { CallContext, ServerCall } from "./server-call.ts";

/** Reads and writes the messages of one type. */
export interface Codec<T> {
  decode(bytes: Uint8Array): T;
  encode(message: T): Uint8Array;
}

/** A method of a service, with the types of its messages. */
export interface Method<I, O> {
  /** `package.Service`. */
  readonly service: string;
  readonly name: string;
  readonly request: Codec<I>;
  readonly response: Codec<O>;
}

/** Handles a call. Its promise settles when the call has ended; what it throws becomes the status. */
export type CallHandler = (call: ServerCall) => Promise<void>;

/** A method and what handles it. */
export interface Implementation {
  readonly service: string;
  readonly name: string;
  readonly handle: CallHandler;
}

export type Send<O> = (message: O) => Promise<void>;

/** Decodes messages. Those that are malformed throw `internal`, as in Go. */
export function decoded<T>(messages: Messages<Uint8Array>, codec: Codec<T>): Messages<T> {
  return messagesOf(messages.batches, (bytes) => decodeMessage(bytes, codec));
}

function decodeMessage<T>(bytes: Uint8Array, codec: Codec<T>): T {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw new GrpcError(GrpcCode.internal, `grpc: failed to unmarshal the received message: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Returns the only message of a stream.
 *
 * @throws {GrpcError} `internal` if there is none, or more than one.
 */
export async function onlyMessage<T>(messages: AsyncIterable<Uint8Array>, codec: Codec<T>): Promise<T> {
  let only: { readonly message: T } | undefined;
  for await (const bytes of messages) {
    if (only !== undefined) throw new GrpcError(GrpcCode.internal, "cardinality violation: more than one message");
    only = { message: decodeMessage(bytes, codec) };
  }
  if (only === undefined) throw new GrpcError(GrpcCode.internal, "cardinality violation: no message");
  return only.message;
}

function implement<I, O>({ service, name }: Method<I, O>, handle: CallHandler): Implementation {
  return { service, name, handle };
}

/** Implements a method with one request and one response. */
export function unary<I, O>(
  method: Method<I, O>,
  run: (request: I, call: CallContext) => Promise<NoInfer<O>>,
): Implementation {
  return implement(method, async (call) => {
    const response = await run(await onlyMessage(call.messages, method.request), call);
    await call.send(method.response.encode(response));
  });
}

/** Implements a method with one request and a stream of responses. */
export function serverStream<I, O>(
  method: Method<I, O>,
  run: (request: I, call: CallContext) => AsyncIterable<NoInfer<O>>,
): Implementation {
  return implement(method, async (call) => {
    const request = await onlyMessage(call.messages, method.request);
    for await (const response of run(request, call)) await call.send(method.response.encode(response));
  });
}

/** Implements a method with a stream of requests and one response. */
export function clientStream<I, O>(
  method: Method<I, O>,
  run: (requests: Messages<I>, call: CallContext) => Promise<NoInfer<O>>,
): Implementation {
  return implement(method, async (call) => {
    await call.send(method.response.encode(await run(decoded(call.messages, method.request), call)));
  });
}

/** Implements a method with streams in both directions, which are independent of each other. */
export function bidiStream<I, O>(
  method: Method<I, O>,
  run: (requests: Messages<I>, send: Send<NoInfer<O>>, call: CallContext) => Promise<void>,
): Implementation {
  return implement(method, async (call) => {
    await run(
      decoded(call.messages, method.request),
      async (message) => await call.send(method.response.encode(message)),
      call,
    );
  });
}
