/** How to connect to one registry host. Paths are of PEM files. */
export interface RegistryHostConfig {
  /** Hosts or URLs that are asked before the registry itself, in this order. Pulls only. */
  readonly mirrors?: readonly string[] | undefined;
  /** Accept any certificate, and plain HTTP if the host does not speak TLS. */
  readonly insecure?: boolean | undefined;
  /** Plain HTTP only. */
  readonly http?: boolean | undefined;
  /** Certificate authorities trusted for this host besides the usual ones. */
  readonly ca?: string | undefined;
  /** Client certificate and its key: both or neither. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The part of the configuration file about registries, by host as in a reference. */
export interface RegistryConfig {
  readonly registries: Readonly<Record<string, RegistryHostConfig>>;
}
