import { StatCache } from "../../../contenthash/index.ts";
import { type CredentialSource, ANONYMOUS } from "../../../registry/index.ts";
import { VarveError, withhold } from "../../../core/index.ts";
import type { BuildClient, ClientCaches, Store } from "../../../engine/index.ts";
import type { ContentSink, StreamSink, TreeSink } from "../../../export/index.ts";
import { GrpcCode, isGrpcError } from "../../../grpc/index.ts";
import type { LocalSource } from "../../../llb/index.ts";
import type { Hold } from "../../../record/index.ts";
import {
  type ContextMemory,
  type LocalContext,
  type OpenClientStore,
  contextKey,
  openSyncedContext,
} from "../../../source/index.ts";
import type { ExporterRequest } from "../control/build-request.ts";
import type { ClientOutputs } from "../control/exporters.ts";
import type { Attributes } from "../dockerfile/attributes.ts";
import { sessionCredentials } from "../session/auth.ts";
import type { ClientSession } from "../session/client-session.ts";
import { type SolvedResult, finalizeExport, findExporters } from "../session/exporters.ts";
import type { SessionManager } from "../session/manager.ts";
import { openFiles } from "../session/files.ts";
import { getSecret } from "../session/secrets.ts";
import { type ForwardedAgent, checkAgent, forwardAgent } from "../session/ssh.ts";
import { UPLOAD_HOST, pullUpload } from "../session/upload.ts";
import { clientCaches } from "./client-caches.ts";
import { clientError } from "./client-error.ts";
import { clientStores } from "./client-stores.ts";
import { contentSink, streamSink, treeSink } from "./sinks.ts";

const LOCAL_SESSION = "local-sessionid:";

/** What the clients of a server share. */
interface ClientHost {
  readonly store: Pick<Store, "contextCopies" | "state">;
  readonly contexts: ContextMemory;
  readonly sessions: SessionManager;
}

/** The client of a build, which answers over its session. What it has lent is given back when the build ends. */
export class SessionClient implements BuildClient, ClientOutputs, AsyncDisposable {
  /** The id of the client's session; empty if it has none. */
  readonly sessionId: string;
  readonly credentials: CredentialSource;
  readonly caches: ClientCaches;
  /** Opens a store of the client: an OCI layout, or a directory with a cache. */
  readonly openStore: OpenClientStore;
  readonly #host: ClientHost;
  readonly #signal: AbortSignal;
  readonly #stack = new AsyncDisposableStack();
  readonly #agents = new Map<string, Promise<ForwardedAgent>>();
  /** The sessions that have a directory, by its name. */
  readonly #localSessions = new Map<string, string>();

  constructor(host: ClientHost, sessionId: string, signal: AbortSignal) {
    this.#host = host;
    this.sessionId = sessionId;
    this.#signal = signal;
    this.credentials = async (host, options) =>
      sessionId === "" ? ANONYMOUS : await asked(async () => sessionCredentials(await this.session())(host, options));
    this.caches = clientCaches(() => this.session());
    this.openStore = clientStores((id) => this.session(id));
  }

  /** Reads which sessions have the directories of a build, from the attributes of its front end. */
  useSessions(attributes: Attributes): void {
    for (const [key, id] of attributes)
      if (key.startsWith(LOCAL_SESSION)) this.#localSessions.set(key.slice(LOCAL_SESSION.length), id);
  }

  /** Returns the client's session. Waits for it. */
  async session(id: string = this.sessionId): Promise<ClientSession> {
    return await this.#host.sessions.get(id, { signal: this.#signal });
  }

  async openLocal(source: LocalSource, hold: Hold, onTransfer?: (bytes: number) => void): Promise<LocalContext> {
    const ids = [this.#localSessions.get(source.name) ?? source.sessionId ?? "", this.sessionId];
    const known = [...new Set(ids)].filter((id) => id !== "");
    if (known.length === 0) throw lacking("could not access local files without session");
    try {
      return await this.#host.sessions.any(known, (session) => this.#open(session, source, hold, onTransfer), {
        signal: hold.signal,
      });
    } catch (error) {
      throw clientError(error);
    }
  }

  async secret(id: string, optional: boolean): Promise<Uint8Array | undefined> {
    const value = await this.#secret(id);
    if (value === undefined && !optional) throw lacking(`secret ${id}: not found`);
    if (value !== undefined) this.#stack.use(withhold(Buffer.from(value).toString()));
    return value;
  }

  async agent(id: string, optional: boolean): Promise<string | undefined> {
    try {
      const session = await this.session();
      await checkAgent(session, id, { signal: this.#signal });
      const agent = this.#agents.get(id) ?? forwardAgent(session, id);
      this.#agents.set(id, agent);
      return this.#stack.use(await agent).path;
    } catch (error) {
      if (optional && isGrpcError(error) && error.code !== GrpcCode.cancelled) return undefined;
      throw clientError(error);
    }
  }

  /** Yields an upload of the client, such as the context that it reads from standard input. Undefined for another URL. */
  upload(url: URL): AsyncIterable<Uint8Array> | undefined {
    return url.hostname === UPLOAD_HOST ? this.#upload(url) : undefined;
  }

  /** Returns the exporters that the client wants for a result, besides those of its request. */
  async findExporters(result: SolvedResult): Promise<readonly ExporterRequest[]> {
    return await asked(async () => await findExporters(await this.session(), result, { signal: this.#signal }));
  }

  /** Tells the client what all exporters answered. */
  async finalizeExport(response: Readonly<Record<string, string>>): Promise<void> {
    await asked(async () => await finalizeExport(await this.session(), response, { signal: this.#signal }));
  }

  stream(exporter: number): StreamSink {
    return streamSink(() => this.session(), exporter, this.#signal);
  }

  tree(exporter: number): TreeSink {
    return treeSink(() => this.session(), exporter);
  }

  content(): ContentSink {
    return contentSink(() => this.session(), this.#signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async *#upload(url: URL): AsyncGenerator<Uint8Array> {
    try {
      yield* pullUpload(await this.session(), url, { signal: this.#signal });
    } catch (error) {
      throw clientError(error);
    }
  }

  async #secret(id: string): Promise<Uint8Array | undefined> {
    if (this.sessionId === "") return undefined;
    return await asked(async () => await getSecret(await this.session(), id, { signal: this.#signal }));
  }

  async #open(
    session: ClientSession,
    source: LocalSource,
    hold: Hold,
    onTransfer: ((bytes: number) => void) | undefined,
  ): Promise<LocalContext> {
    const { name, sharedKeyHint: hint = "", differ, metadataOnly = false, metadataExceptions = [] } = source;
    const { contextCopies: copies, state } = this.#host.store;
    const { signal } = hold;
    const key = contextKey({ name, hint, sharedKey: session.sharedKey, metadataOnly });
    const synced = await openSyncedContext(
      {
        name,
        key,
        differ,
        metadataOnlyExcept: metadataOnly ? metadataExceptions : undefined,
        onProgress: onTransfer,
        // oxlint-disable-next-line require-await -- rejects rather than throws
        connect: async () => openFiles(session, name, source, { signal }),
        signal,
      },
      { copies, cache: new StatCache(state), memory: this.#host.contexts },
    );
    return this.#stack.use(synced).context;
  }
}

/** The error for what this client does not have. */
function lacking(text: string): VarveError {
  return new VarveError("invalid-build", text, { details: { fromClient: true } });
}

/** Asks the client. Its error becomes one of the build. */
async function asked<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw clientError(error);
  }
}
