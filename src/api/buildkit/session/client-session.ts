import type { Duplex } from "node:stream";
import { GrpcClient } from "../../../grpc/index.ts";
import { methodUrl } from "../proto/methods.ts";
import type { SessionHeaders } from "./headers.ts";

export interface CallerOptions {
  /** Cancels the call. The end of the session does so anyway. */
  readonly signal?: AbortSignal | undefined;
}

/** The session of a client: a connection on which the client serves its files, secrets and credentials. */
export class ClientSession {
  readonly id: string;
  readonly sharedKey: string;
  readonly name: string;
  /** Calls the client. Its `signal` is aborted when the session has ended. */
  readonly client: GrpcClient;
  readonly #methods: ReadonlySet<string>;

  constructor(connection: Duplex, { id, sharedKey, name, methods }: SessionHeaders) {
    this.id = id;
    this.sharedKey = sharedKey;
    this.name = name;
    this.client = new GrpcClient(connection);
    this.#methods = new Set(methods.map((method) => method.toLowerCase()));
  }

  /** True if the client has announced a method, in any case. Clients answer to methods that they have not announced too. */
  supports(method: { readonly service: string; readonly name: string }): boolean {
    return this.#methods.has(methodUrl(method).toLowerCase());
  }

  /** True after the end of the connection. */
  get isEnded(): boolean {
    return this.client.signal.aborted;
  }
}
