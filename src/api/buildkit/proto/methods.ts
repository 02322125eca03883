import {
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import type { Codec, Method } from "../../../grpc/index.ts";

type TypedMethod<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

/** A codec of whole messages. */
function reading<D extends DescMessage>(schema: D): Codec<MessageShape<D>> {
  return {
    decode: (bytes) => fromBinary(schema, bytes),
    encode: (message) => toBinary(schema, message),
  };
}

/** A codec whose messages may be written as objects without absent fields. */
function writing<D extends DescMessage>(schema: D): Codec<MessageInitShape<D>> {
  return {
    decode: (bytes) => fromBinary(schema, bytes),
    encode: (message) => toBinary(schema, create(schema, message)),
  };
}

/** Returns a method as a server implements it: responses may leave out fields. */
export function served<I extends DescMessage, O extends DescMessage>(
  method: TypedMethod<I, O>,
): Method<MessageShape<I>, MessageInitShape<O>> {
  const { input, output, name, parent } = method;
  return { service: parent.typeName, name, request: reading(input), response: writing(output) };
}

/** Returns a method as a client calls it: requests may leave out fields. */
export function called<I extends DescMessage, O extends DescMessage>(
  method: TypedMethod<I, O>,
): Method<MessageInitShape<I>, MessageShape<O>> {
  const { input, output, name, parent } = method;
  return { service: parent.typeName, name, request: writing(input), response: reading(output) };
}

/** Returns a method whose messages are not decoded. */
export function undecoded({ name, parent }: DescMethod): Method<Uint8Array, Uint8Array> {
  const raw: Codec<Uint8Array> = { decode: (bytes) => bytes, encode: (bytes) => bytes };
  return { service: parent.typeName, name, request: raw, response: raw };
}

/** Returns the name by which a client announces a method. */
export function methodUrl({ service, name }: Pick<Method<unknown, unknown>, "service" | "name">): string {
  return `/${service}/${name}`;
}
