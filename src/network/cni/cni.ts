import { randomUUID } from "node:crypto";
import { closeSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "../../core/index.ts";
import { NetworkLinks, ProcessDirectory, createNetworkNamespace, withinNetwork } from "../../linux/index.ts";
import type { NetworkProvider, StepNetwork, StepNetworkOptions } from "../types.ts";
import { readCniConfig } from "./config.ts";
import { type CniAttachment, type CniPlugins, addNetwork, removeNetwork } from "./plugin.ts";

const LOOPBACK = { index: 1 };

export interface CniOptions {
  readonly configPath: string;
  readonly binaryPath: string;
  readonly poolSize: number;
  /** Directory that records networks, so that the next process removes those of one that was killed. */
  readonly directory: string;
}

/** Networks that plugins of the Container Network Interface make. */
export class CniNetworks implements NetworkProvider {
  readonly #plugins: CniPlugins;
  readonly #records: ProcessDirectory;
  readonly #poolSize: number;
  readonly #ready: StepNetwork[] = [];
  /** The networks that are being made ahead of time. */
  #filling: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(plugins: CniPlugins, records: ProcessDirectory, poolSize: number) {
    this.#plugins = plugins;
    this.#records = records;
    this.#poolSize = poolSize;
  }

  /**
   * Reads the configuration, removes what killed processes have left, and makes a network, to find out whether that works.
   *
   * @throws {VarveError} as `readCniConfig` and `addNetwork`.
   */
  static async open({ configPath, binaryPath, poolSize, directory }: CniOptions): Promise<CniNetworks> {
    const plugins = { config: await readCniConfig(configPath), binaryPath };
    const left: CniAttachment[] = [];
    const records = new ProcessDirectory(directory, {
      own: (path) => rmSync(path, { recursive: true, force: true }),
      left: (path) => {
        left.push(...attachmentsIn(path));
        rmSync(path, { recursive: true, force: true });
      },
    });
    await using stack = new AsyncDisposableStack();
    const networks = stack.use(new CniNetworks(plugins, records, poolSize));
    // The first use of the directory looks for those of others.
    networks.#ready.push(await networks.#make({}));
    for (const attachment of left) await removeNetwork(plugins, attachment, "");
    networks.#refill();
    stack.move();
    return networks;
  }

  async enter({ hostname }: StepNetworkOptions): Promise<StepNetwork> {
    const ready = hostname === undefined ? this.#ready.shift() : undefined;
    if (ready === undefined) return await this.#make({ hostname });
    this.#refill();
    return ready;
  }

  async #make({ hostname }: StepNetworkOptions): Promise<StepNetwork> {
    await using stack = new AsyncDisposableStack();
    const namespace = createNetworkNamespace();
    stack.defer(() => closeSync(namespace));
    withinNetwork(namespace, () => {
      using links = new NetworkLinks();
      links.setUp(LOOPBACK);
    });
    // Plugins are children of this process, and see its descriptors by this path.
    const path = `/proc/${process.pid}/fd/${namespace}`;
    let attachment: CniAttachment = { id: `varve-${randomUUID()}`, hostname };
    const record = join(this.#records.path, `${attachment.id}.json`);
    writeFileSync(record, JSON.stringify(attachment));
    stack.defer(async () => {
      await removeNetwork(this.#plugins, attachment, path);
      rmSync(record, { force: true });
    });
    attachment = await addNetwork(this.#plugins, attachment, path);
    writeFileSync(record, JSON.stringify(attachment));
    const parts = stack.move();
    return { namespace, [Symbol.asyncDispose]: () => parts.disposeAsync() };
  }

  /** Makes networks until there are enough, one after the other. One that cannot be made now is made when a step needs it. */
  #refill(): void {
    const fill = async (): Promise<void> => {
      while (!this.#closed && this.#ready.length < this.#poolSize) this.#ready.push(await this.#make({}));
    };
    this.#filling = this.#filling.then(fill).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#filling;
    for (const network of this.#ready.splice(0)) await network[Symbol.asyncDispose]();
    this.#records[Symbol.dispose]();
  }
}

function attachmentsIn(directory: string): CniAttachment[] {
  return readdirSync(directory).flatMap((name) => {
    try {
      const json = parseJson(readFileSync(join(directory, name)), name).requiredObject();
      const id = json.string("id");
      return id === undefined ? [] : [{ id, hostname: json.string("hostname"), result: json.field("result").raw }];
    } catch {
      // It was being written.
      return [];
    }
  });
}
