import { readFile, stat } from "node:fs/promises";
import type { Stats } from "node:fs";
import { Limits, VarveError, errnoOf, toVarveError, withhold } from "../../core/index.ts";
import type { LocalSource } from "../../llb/index.ts";
import type { CredentialSource } from "../../registry/index.ts";
import type { LocalContext } from "../../source/index.ts";
import type { BuildSettings, SecretSource } from "../options/options.ts";
import type { BuildClient } from "./client.ts";

/** What differs if this process started a build for a client of a server. */
export interface ServedClient {
  /** Credentials for registries. Default: those of the store. */
  readonly credentials?: CredentialSource | undefined;
  /** The variables that secrets are read from. Default: those of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** How to pass a secret that is missing. Default: the flag of `varve build`. */
  readonly secretHint?: string | undefined;
  /** What says which project is built: builds of one project have equal ones. Default: where the context and the Dockerfile are. */
  readonly project?: string | undefined;
}

/**
 * The client of a build that this process started: secrets come from files, variables and values, agents are sockets of this
 * machine. Values are read when a step needs them. Values that were read are redacted from messages until this object is disposed of.
 */
export class LocalClient implements BuildClient, Disposable {
  readonly credentials: CredentialSource | undefined;
  readonly #secrets: ReadonlyMap<string, SecretSource>;
  readonly #agents: ReadonlyMap<string, string>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #secretHint: string | undefined;
  readonly #withheld = new Map<string, Disposable>();

  private constructor(
    secrets: readonly SecretSource[],
    agents: ReadonlyMap<string, string>,
    { credentials, secretHint, env = process.env }: ServedClient,
  ) {
    this.credentials = credentials;
    this.#env = env;
    this.#secretHint = secretHint;
    this.#secrets = new Map(secrets.map((secret) => [secret.id, secret]));
    this.#agents = agents;
  }

  /**
   * Checks all secrets and agents, even if no step uses them: files must exist, and agents must be sockets. A variable that is not set
   * is an empty secret, as in BuildKit; `warn` is called for it.
   *
   * @throws {VarveError} `invalid-argument`, `limit-exceeded` if a secret is too large, `unsupported` for a private key file.
   */
  static async open(
    { secrets = [], ssh = [] }: Pick<BuildSettings, "secrets" | "ssh">,
    warn: (message: string) => void,
    served: ServedClient = {},
  ): Promise<LocalClient> {
    for (const secret of secrets) await check(secret, served.env ?? process.env, warn);
    const agents = new Map<string, string>();
    for (const { id, paths } of ssh) {
      if (agents.has(id)) throw new VarveError("invalid-argument", `Cannot forward SSH agent ${id}: given twice`);
      agents.set(id, await socketOf(id, paths));
    }
    return new LocalClient(secrets, agents, served);
  }

  /** Throws: a build of this process opens its directories itself. */
  // oxlint-disable-next-line require-await -- rejects rather than throws
  async openLocal({ name }: LocalSource): Promise<LocalContext> {
    throw new VarveError("internal", `Cannot read context ${name}: this build has no context of that name`);
  }

  async secret(id: string, optional: boolean): Promise<Uint8Array | undefined> {
    const secret = this.#secrets.get(id);
    if (secret !== undefined) return await this.#read(secret);
    if (optional) return undefined;
    throw new VarveError("invalid-build", `Cannot run step: secret ${id}: not found`, {
      hint: this.#secretHint ?? `pass it with --secret id=${id},src=FILE`,
    });
  }

  // oxlint-disable-next-line require-await -- rejects rather than throws
  async agent(id: string, optional: boolean): Promise<string | undefined> {
    const name = id === "" ? "default" : id;
    const path = this.#agents.get(name);
    if (path !== undefined || optional) return path;
    throw new VarveError(
      "invalid-build",
      `Cannot run step: no SSH key ${JSON.stringify(name)} forwarded from the client`,
      { hint: "pass it with --ssh default" },
    );
  }

  [Symbol.dispose](): void {
    for (const each of this.#withheld.values()) each[Symbol.dispose]();
    this.#withheld.clear();
  }

  async #read({ id, source }: SecretSource): Promise<Uint8Array> {
    const value = await load(id, source, this.#env);
    checkSize(id, value.byteLength);
    const before = this.#withheld.get(id);
    this.#withheld.set(id, withhold(Buffer.from(value).toString()));
    before?.[Symbol.dispose]();
    return value;
  }
}

async function check(
  { id, source }: SecretSource,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): Promise<void> {
  if ("value" in source) checkSize(id, source.value.byteLength);
  else if ("env" in source) {
    if (!Object.hasOwn(env, source.env)) warn(`secret ${id} is empty: the environment has no variable ${source.env}`);
  } else {
    const found = await statOf(source.file, `use secret ${id}`);
    if (found.isDirectory())
      throw new VarveError("invalid-argument", `Cannot use secret ${id}: ${source.file} is a directory`);
    checkSize(id, found.size);
  }
}

/** Returns the socket of an agent. Throws if the agent does not have exactly one path, or the path is not a socket. */
async function socketOf(id: string, paths: readonly string[]): Promise<string> {
  const [path, ...more] = paths;
  if (path === undefined || more.length > 0)
    throw new VarveError("invalid-argument", `Cannot forward SSH agent ${id}: it needs exactly one socket`);
  if ((await statOf(path, `forward SSH agent ${id}`)).isSocket()) return path;
  throw new VarveError("unsupported", `Cannot forward SSH keys of ${id}: ${path} is not an agent's socket`, {
    hint: "start ssh-agent, add the key to it, and pass --ssh default",
  });
}

async function statOf(path: string, doing: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR")
      throw toVarveError(error, doing, "invalid-argument");
    throw new VarveError("invalid-argument", `Cannot ${doing}: there is no file ${path}`, { cause: error });
  }
}

function checkSize(id: string, bytes: number): void {
  if (bytes <= Limits.secret) return;
  throw new VarveError("limit-exceeded", `Cannot use secret ${id}: it is larger than ${Limits.secret} bytes`);
}

async function load(id: string, source: SecretSource["source"], env: NodeJS.ProcessEnv): Promise<Uint8Array> {
  if ("value" in source) return source.value;
  if ("env" in source) return Buffer.from(Object.hasOwn(env, source.env) ? (env[source.env] ?? "") : "");
  try {
    return await readFile(source.file);
  } catch (error) {
    throw toVarveError(error, `read secret ${id} from ${source.file}`, "invalid-argument");
  }
}
