/** One Dockerfile that two builders are given. */
export interface ConformanceCase {
  readonly name: string;
  /** `{base}` stands for the base image: busybox, with users `root` and `nobody`, and `CMD ["sh"]`. */
  readonly dockerfile: string;
  /** The context besides the Dockerfile: contents by path. */
  readonly files?: Readonly<Record<string, ContextFile>>;
  /** Flags of `docker build`. */
  readonly flags?: readonly string[];
  /** The image has no layers at all, not even its base's. */
  readonly layerless?: boolean;
  /** Built first, under this name, with the same context: what the Dockerfile's FROM may name. */
  readonly before?: { readonly tag: string; readonly dockerfile: string };
}

export type ContextFile =
  | string
  | { readonly content: string | Uint8Array; readonly mode?: number; readonly link?: undefined }
  /** A symbolic link. */
  | { readonly link: string };
