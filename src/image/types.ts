import type { Descriptor, Digest, JsonValue, Platform } from "../core/index.ts";

/** A `HEALTHCHECK`. Durations are in nanoseconds; 0 and absent mean "inherit". */
export interface Healthcheck {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** How containers of the image are started: the fields of the OCI image specification (config.md) and those of Docker. */
export interface ContainerConfig {
  readonly User?: string;
  /** `<port>[/<protocol>]`. */
  readonly ExposedPorts?: ReadonlySet<string>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: ReadonlySet<string>;
  readonly WorkingDir?: string;
  readonly Labels?: ReadonlyMap<string, string>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: Healthcheck;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly Image?: string;
  readonly NetworkDisabled?: boolean;
  readonly MacAddress?: string;
  /** Seconds. */
  readonly StopTimeout?: number;
  /** Fields this program does not know, as they were read. */
  readonly unknown?: ReadonlyMap<string, JsonValue>;
}

/** One instruction in the history of an image. Times are RFC 3339 strings, kept as they were written. */
export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  /** True if the instruction made no layer. */
  readonly empty_layer?: boolean;
}

/** An image config. Fields that a document lacks are empty: "" for strings, [] for lists. */
export interface ImageConfig {
  /** In RFC 3339; null if the document has null. */
  readonly created?: string | null;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly config?: ContainerConfig;
  /** Digests of the uncompressed layers, lowest first. */
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly Digest[] };
  readonly history: readonly HistoryEntry[];
  /** Fields this program does not know, as they were read. */
  readonly unknown?: ReadonlyMap<string, JsonValue>;
}

/** OCI image manifest, or Docker's image manifest V2, schema 2. */
export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** OCI image index, or Docker's manifest list. */
export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layer of an image: its blob, and the digest of its uncompressed tar. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** An image of one platform whose manifest and config were read. Its layers may be missing. */
export interface Image {
  /** The descriptor of the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  /** The manifest's bytes, as they were stored. */
  readonly manifestBytes: Uint8Array;
  readonly config: ImageConfig;
  /** The config's bytes, as they were stored. */
  readonly configBytes: Uint8Array;
  /** Undefined if the config has none. */
  readonly platform: Platform | undefined;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
}
