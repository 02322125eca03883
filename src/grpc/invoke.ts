import type { CallOptions, ClientCall } from "./client-call.ts";
import type { GrpcClient } from "./client.ts";
import { checkMessage } from "./framing.ts";
import { type Method, type Send, decoded, onlyMessage } from "./method.ts";
import type { Messages } from "./messages.ts";
import type { Metadata } from "./metadata.ts";

function pathOf({ service, name }: Pick<Method<unknown, unknown>, "service" | "name">): string {
  return `/${service}/${name}`;
}

/** Calls a method with one request and one response. */
export async function invoke<I, O>(
  client: GrpcClient,
  method: Method<I, O>,
  request: NoInfer<I>,
  options: CallOptions = {},
): Promise<O> {
  using call = client.start(pathOf(method), options);
  await sendOnly(call, method.request.encode(request));
  return await onlyMessage(call.messages, method.response);
}

/** Calls a method with one request and a stream of responses. Leaving the stream cancels the call. */
export async function* invokeServerStream<I, O>(
  client: GrpcClient,
  method: Method<I, O>,
  request: NoInfer<I>,
  options: CallOptions = {},
): AsyncGenerator<O> {
  using call = client.start(pathOf(method), options);
  await sendOnly(call, method.request.encode(request));
  yield* decoded(call.messages, method.response);
}

/** A call with streams in both directions. Disposing of it cancels it, unless it has ended. */
export interface BidiCall<I, O> extends Disposable {
  readonly send: Send<I>;
  /** Says that no more requests will be sent. */
  readonly end: () => void;
  readonly cancel: (reason?: Error) => void;
  readonly responses: Messages<O>;
  readonly headers: Promise<Metadata>;
}

export function invokeBidi<I, O>(client: GrpcClient, method: Method<I, O>, options: CallOptions = {}): BidiCall<I, O> {
  const call = client.start(pathOf(method), options);
  return {
    send: async (message) => await call.send(method.request.encode(message)),
    end: () => call.end(),
    cancel: (reason) => call.cancel(reason),
    responses: decoded(call.messages, method.response),
    headers: call.headers,
    [Symbol.dispose]: () => call.cancel(),
  };
}

/** Sends the only request. A call that ended already says why when its messages are read. */
async function sendOnly(call: ClientCall, message: Uint8Array): Promise<void> {
  checkMessage(message);
  try {
    await call.send(message);
    call.end();
  } catch (error) {
    for await (const _ of call.messages);
    throw error;
  }
}
