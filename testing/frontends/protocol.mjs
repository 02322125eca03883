/**
 * The protocol between a front end that is an image and a builder: gRPC over HTTP/2 on standard input and output, and the few messages that
 * the front ends of the tests need. It is written against BuildKit's `.proto` files and uses nothing of Varve.
 */
import { createHash } from "node:crypto";
import { connect } from "node:http2";
import { Duplex } from "node:stream";

const SERVICE = "moby.buildkit.v1.frontend.LLBBridge";

function varint(number) {
  let rest = BigInt.asUintN(64, BigInt(number));
  const bytes = [];
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

function field(number, wire, bytes) {
  return Buffer.concat([varint((number << 3) | wire), bytes]);
}

export const int = (number, value) => (value === 0 ? Buffer.alloc(0) : field(number, 0, varint(value)));
export const bytes = (number, value) => field(number, 2, Buffer.concat([varint(value.length), Buffer.from(value)]));
export const text = (number, value) => (value === "" ? Buffer.alloc(0) : bytes(number, Buffer.from(value)));
export const message = (...fields) => Buffer.concat(fields.flat());
export const entry = (number, key, value) => bytes(number, message(text(1, key), bytes(2, value)));
export const map = (number, entries) => Object.entries(entries).map(([key, value]) => entry(number, key, value));

/** Returns the fields of a message by number: numbers or bytes, in their order. */
export function decode(data) {
  const fields = new Map();
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = data[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < data.length) {
    const tag = Number(number());
    let value;
    if ((tag & 7) === 0) value = number();
    else if ((tag & 7) === 2) {
      const size = Number(number());
      value = data.subarray(at, at + size);
      at += size;
    } else throw new Error(`wire type ${tag & 7}`);
    const list = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, [...list, value]);
  }
  return fields;
}

export const first = (fields, number) => fields.get(number)?.[0];

/** Calls methods of the gateway. */
export class Gateway {
  #session;

  constructor() {
    const connection = Duplex.from({ readable: process.stdin, writable: process.stdout });
    this.#session = connect("http://gateway", { createConnection: () => connection, maxSessionMemory: 256 });
    this.#session.on("error", (error) => {
      console.error(`connection: ${error.message}`);
      process.exit(70);
    });
  }

  /** Resolves to the bytes of the response. Rejects with the status. */
  async call(method, request = Buffer.alloc(0), headers = {}, service = SERVICE) {
    const { promise, resolve, reject } = Promise.withResolvers();
    const stream = this.#session.request({
      ":method": "POST",
      ":path": `/${service}/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const chunks = [];
    let status;
    const note = (sent) => (status = sent["grpc-status"] === undefined ? status : sent);
    stream.on("response", note).on("trailers", note);
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      if (status?.["grpc-status"] === "0") return resolve(Buffer.concat(chunks).subarray(5));
      const error = new Error(decodeURIComponent(status?.["grpc-message"] ?? "no status"));
      error.code = Number(status?.["grpc-status"] ?? 2);
      error.details = Buffer.from(status?.["grpc-status-details-bin"] ?? "", "base64");
      return reject(error);
    });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([head, request]));
    return await promise;
  }

  /** Solves a graph. Returns the id of its result. */
  async solve(definition, { evaluate = false } = {}) {
    const response = await this.call(
      "Solve",
      message(bytes(1, definition), int(5, 1), int(6, 1), int(14, evaluate ? 1 : 0)),
    );
    return refOf(first(decode(response), 3));
  }

  /** Asks another front end. Returns the result as it was sent. */
  async ask(frontend, options, inputs = {}) {
    const response = await this.call(
      "Solve",
      message(text(2, frontend), map(3, bufferMap(options)), int(5, 1), int(6, 1), map(13, inputs)),
    );
    return first(decode(response), 3);
  }

  async read(ref, path) {
    const response = await this.call("ReadFile", message(text(1, ref), text(2, path)));
    return first(decode(response), 1) ?? Buffer.alloc(0);
  }

  async inputs() {
    const fields = decode(await this.call("Inputs"));
    return new Map(
      (fields.get(1) ?? []).map((item) => {
        const pair = decode(item);
        return [String(first(pair, 1)), first(pair, 2)];
      }),
    );
  }

  async warn(short) {
    await this.call("Warn", message(int(2, 1), text(3, short)));
  }

  /** Returns a result: the id of a filesystem, and metadata. */
  async return(ref, metadata = {}) {
    const result = message(ref === undefined ? [] : bytes(3, text(1, ref)), map(10, bufferMap(metadata)));
    await this.returnRaw(result);
  }

  async returnRaw(result) {
    await this.call("Return", bytes(1, result));
  }

  async fail(text_, details = []) {
    const any = details.map(({ type, json }) =>
      bytes(3, message(text(1, type), bytes(2, Buffer.from(JSON.stringify(json))))),
    );
    await this.call("Return", bytes(2, message(int(1, 2), text(2, text_), any)));
  }

  close() {
    this.#session.close();
  }
}

function bufferMap(entries) {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]));
}

/** The id of the only filesystem of a result. */
export function refOf(result) {
  const ref = first(decode(result), 3);
  return ref === undefined ? "" : String(first(decode(ref), 1) ?? "");
}

/** Options of the request: `BUILDKIT_FRONTEND_OPT_i=key=value`. */
export function options(env = process.env) {
  const found = new Map();
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("BUILDKIT_FRONTEND_OPT_")) continue;
    const at = value.indexOf("=");
    found.set(value.slice(0, at), value.slice(at + 1));
  }
  return found;
}

/** A graph that grows: each op is added once. */
export class Graph {
  #ops = [];
  #metadata = [];
  #lines = [];

  /** Adds an op. `line` is where the file has it. Returns what consumers name it by. */
  add(op, name, line) {
    const digest = `sha256:${createHash("sha256").update(op).digest("hex")}`;
    this.#ops.push(op);
    this.#metadata.push(entry(2, digest, message(entry(2, "llb.customname", Buffer.from(name)))));
    if (line !== undefined) this.#lines.push([digest, line]);
    return { digest, index: 0 };
  }

  source(identifier, attributes, name, line) {
    return this.add(bytes(3, message(text(1, identifier), map(2, bufferMap(attributes)))), name, line);
  }

  /** Serialises the graph below an output. `file` is the source that the lines are of. */
  definition(output, file) {
    const last = bytes(1, message(text(1, output.digest), int(2, output.index)));
    return message(
      [...this.#ops, last].map((op) => bytes(1, op)),
      this.#metadata,
      file ? this.#source(file) : [],
    );
  }

  #source({ name, data }) {
    const info = bytes(2, message(text(1, name), bytes(2, data), text(4, "Recipe")));
    const locations = this.#lines.map(([digest, line]) => {
      const position = int(1, line);
      const range = bytes(2, message(bytes(1, position), bytes(2, position)));
      return entry(1, digest, bytes(1, message(range)));
    });
    return bytes(3, message(locations, info));
  }
}

/** An input of an op. */
export const input = ({ digest, index }) => bytes(1, message(text(1, digest), int(2, index)));
