/** How steps without a network of their own reach other machines. */
export interface NetworkSettings {
  /**
   * - `host`: they have the machine's network.
   * - `bridge`: each has an interface `eth0` on a bridge of the machine, from which packets leave under the machine's address.
   * - `cni`: plugins of the Container Network Interface make their network.
   * - `none`: they reach nobody.
   * - `auto`: `cni` if there is a configuration for it, else `host`.
   *
   * Default: `host`.
   */
  readonly mode?: "auto" | "host" | "bridge" | "cni" | "none" | undefined;
  /** Name of the bridge's interface, which is made if it does not exist. Default: `varve0`. */
  readonly bridgeName?: string | undefined;
  /** IPv4 addresses of the bridge and of steps. Default: `10.133.0.0/16`. */
  readonly bridgeSubnet?: string | undefined;
  /** A list of plugins (`*.conflist`) or one plugin. Default: `/etc/buildkit/cni.json`. */
  readonly cniConfigPath?: string | undefined;
  /** Directory of plugins. Default: `/opt/cni/bin`. */
  readonly cniBinaryPath?: string | undefined;
  /** How many networks are made ahead of time. Default: 0. */
  readonly cniPoolSize?: number | undefined;
}

export type NetworkProviderMode = NonNullable<NetworkSettings["mode"]>;
export const NETWORK_PROVIDER_MODES: readonly NetworkProviderMode[] = ["auto", "host", "bridge", "cni", "none"];

/** The network of one step. Disposal removes it, after the processes of the step have ended. */
export interface StepNetwork extends AsyncDisposable {
  /** Descriptor of its namespace. */
  readonly namespace: number;
}

export interface StepNetworkOptions {
  /** The name of the step's machine, for plugins that resolve names; undefined if the step has none of its own. */
  readonly hostname?: string | undefined;
}

/** Makes networks of one kind. */
export interface NetworkProvider extends AsyncDisposable {
  /** @throws {VarveError} `unsupported` for what the machine lacks. */
  enter(options: StepNetworkOptions): Promise<StepNetwork>;
}
