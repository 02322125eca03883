import { access } from "node:fs/promises";
import { VarveError, errnoOf } from "../core/index.ts";
import type { ProxiedNetwork, ProxySpec } from "./proxy/proxied.ts";
import type {
  NetworkProvider,
  NetworkProviderMode,
  NetworkSettings,
  StepNetwork,
  StepNetworkOptions,
} from "./types.ts";

const DEFAULT_BRIDGE = "varve0";
const DEFAULT_SUBNET = "10.133.0.0/16";
const DEFAULT_CNI_CONFIG = "/etc/buildkit/cni.json";
const DEFAULT_CNI_BINARIES = "/opt/cni/bin";
/** Maximum number of networks that are made ahead of time. */
const MAX_POOL = 256;

/** How a step without a network of its own is connected. */
export type DefaultNetwork =
  | { readonly kind: "host" }
  | { readonly kind: "none" }
  | { readonly kind: "isolated"; readonly network: StepNetwork };

/** The networks of steps. What they need is made when the first step asks for one, or by `open`. */
export class Networks implements AsyncDisposable {
  readonly #settings: NetworkSettings;
  readonly #directory: string;
  #mode: Promise<Exclude<NetworkProviderMode, "auto">> | undefined;
  #provider: Promise<NetworkProvider> | undefined;

  /** `directory` has what a killed process leaves for the next one to remove. */
  constructor(settings: NetworkSettings, directory: string) {
    this.#settings = settings;
    this.#directory = directory;
  }

  /** Returns how steps are connected that do not say it. */
  mode(): Promise<Exclude<NetworkProviderMode, "auto">> {
    return (this.#mode ??= resolvedMode(this.#settings));
  }

  /**
   * Makes what steps need, so that a server finds out at its start whether it can.
   *
   * @throws {VarveError} `unsupported`, with a hint, for what the machine lacks; `invalid-argument` for settings that cannot be used.
   */
  async open(): Promise<void> {
    const mode = await this.mode();
    if (mode === "bridge" || mode === "cni") await this.#open(mode);
  }

  /**
   * Connects a step that has no network of its own. The caller disposes of an isolated network after the step.
   *
   * @throws {VarveError} as `open`.
   */
  async enter(options: StepNetworkOptions): Promise<DefaultNetwork> {
    const mode = await this.mode();
    if (mode === "host" || mode === "none") return { kind: mode };
    const provider = await this.#open(mode);
    try {
      return { kind: "isolated", network: await provider.enter(options) };
    } catch (error) {
      throw notAllowed(error) ?? error;
    }
  }

  /**
   * Gives a step a network in which nothing is but a proxy. `from` is where the proxy connects to servers from: as a step with the default
   * network would, or the machine. The caller disposes of it after the step.
   *
   * @throws {VarveError} as `open`.
   */
  async enterProxied(from: "default" | "host", spec: ProxySpec): Promise<ProxiedNetwork> {
    const { openProxied } = await import("./proxy/proxied.ts");
    try {
      return await openProxied(from === "host" ? { kind: "host" } : await this.enter({}), spec);
    } catch (error) {
      throw notAllowed(error) ?? error;
    }
  }

  async #open(mode: "bridge" | "cni"): Promise<NetworkProvider> {
    const opening = (this.#provider ??= openProvider(mode, this.#settings, this.#directory));
    try {
      return await opening;
    } catch (error) {
      // The next step tries again.
      if (this.#provider === opening) this.#provider = undefined;
      throw notAllowed(error) ?? error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const provider = await this.#provider?.catch(() => undefined);
    this.#provider = undefined;
    await provider?.[Symbol.asyncDispose]();
  }
}

/** Returns the error of a process that may not make networks; undefined for another error. */
function notAllowed(error: unknown): VarveError | undefined {
  if (errnoOf(error) !== "EPERM") return undefined;
  return new VarveError("unsupported", "Cannot make a network for a step: operation not permitted", {
    cause: error,
    hint: "Run as root, or in a user namespace together with a network namespace (rootlesskit --net=slirp4netns).",
  });
}

async function resolvedMode({
  mode = "host",
  cniConfigPath = DEFAULT_CNI_CONFIG,
}: NetworkSettings): Promise<Exclude<NetworkProviderMode, "auto">> {
  if (mode !== "auto") return mode;
  return await access(cniConfigPath).then(
    () => "cni" as const,
    () => "host" as const,
  );
}

async function openProvider(
  mode: "bridge" | "cni",
  settings: NetworkSettings,
  directory: string,
): Promise<NetworkProvider> {
  if (mode === "bridge") {
    const { BridgeNetworks } = await import("./bridge/bridge.ts");
    return await BridgeNetworks.open(settings.bridgeName ?? DEFAULT_BRIDGE, settings.bridgeSubnet ?? DEFAULT_SUBNET);
  }
  const { cniPoolSize: poolSize = 0 } = settings;
  if (!Number.isInteger(poolSize) || poolSize < 0 || poolSize > MAX_POOL)
    throw new VarveError(
      "invalid-argument",
      `Cannot keep ${poolSize} networks: expected a number from 0 to ${MAX_POOL}`,
    );
  const { CniNetworks } = await import("./cni/cni.ts");
  return await CniNetworks.open({
    configPath: settings.cniConfigPath ?? DEFAULT_CNI_CONFIG,
    binaryPath: settings.cniBinaryPath ?? DEFAULT_CNI_BINARIES,
    poolSize,
    directory,
  });
}
