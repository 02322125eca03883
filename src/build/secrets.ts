import { readFile, stat } from "node:fs/promises";
import { Limits, VarveError, toVarveError } from "../core/index.ts";
import type { SecretSource, SshSource } from "./options.ts";

/** The secrets and agents a build was given. Values are read when a step needs them, and kept by nobody. */
export class Secrets {
  readonly #secrets: ReadonlyMap<string, SecretSource>;
  readonly #ssh: ReadonlyMap<string, SshSource>;

  constructor(secrets: readonly SecretSource[], ssh: readonly SshSource[]) {
    this.#secrets = new Map(secrets.map((secret) => [secret.id, secret]));
    this.#ssh = new Map(ssh.map((source) => [source.id, source]));
  }

  /** A secret's bytes; undefined if there is none of that id and it is optional. */
  async get(id: string, optional: boolean): Promise<Uint8Array | undefined> {
    const secret = this.#secrets.get(id);
    if (secret !== undefined) return await read(secret);
    if (optional) return undefined;
    throw new VarveError("invalid-build", `Cannot run step: secret ${id}: not found`, {
      hint: `pass it with --secret id=${id},src=FILE`,
    });
  }

  /** The socket of an agent; undefined if there is none of that id and it is optional. */
  async agent(id: string, optional: boolean): Promise<string | undefined> {
    const name = id === "" ? "default" : id;
    const path = this.#ssh.get(name)?.paths[0];
    if (path !== undefined && (await isSocket(path))) return path;
    if (path !== undefined) {
      throw new VarveError("unsupported", `Cannot forward SSH keys of ${name}: ${path} is not an agent's socket`, {
        hint: "start ssh-agent, add the key to it, and pass --ssh default",
      });
    }
    if (optional) return undefined;
    throw new VarveError(
      "invalid-build",
      `Cannot run step: no SSH key ${JSON.stringify(name)} forwarded from the client`,
      { hint: "pass it with --ssh default" },
    );
  }
}

async function isSocket(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isSocket() === true;
}

async function read({ id, source }: SecretSource): Promise<Uint8Array> {
  const value = await load(id, source);
  if (value.byteLength > Limits.secret) {
    throw new VarveError("limit-exceeded", `Cannot use secret ${id}: it is larger than ${Limits.secret} bytes`);
  }
  return value;
}

async function load(id: string, source: SecretSource["source"]): Promise<Uint8Array> {
  if ("value" in source) return source.value;
  if ("env" in source) {
    const value = process.env[source.env];
    if (value === undefined)
      throw new VarveError("invalid-argument", `Cannot use secret ${id}: the environment has no ${source.env}`);
    return Buffer.from(value);
  }
  try {
    return await readFile(source.file);
  } catch (error) {
    throw toVarveError(error, `read secret ${id} from ${source.file}`, "invalid-argument");
  }
}
