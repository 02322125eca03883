/** Bounds on everything that is read from outside. Sizes are in bytes. */
export const Limits = {
  /** A manifest or an index: the size registries commonly enforce. */
  manifest: 4_194_304,
  /** An image config. */
  config: 8_388_608,
  /** A Dockerfile, as BuildKit's front end. */
  dockerfile: 2_097_152,
  /** A serialised graph: the largest message of BuildKit's protocol. */
  definition: 16_777_216,
  /** One text of a Dockerfile after its variables were expanded, in characters. */
  expandedText: 1_048_576,
  /** All expansion in one Dockerfile: characters inserted for variables, and steps of matching `${name#pattern}` and similar forms. */
  expansion: 16_777_216,
  /** Number of variables of a stage, because each step copies them. */
  variables: 4096,
  /** A `.dockerignore` file. */
  ignoreFile: 1_048_576,
  /** Layers of one image: the maximum number of lower directories of overlayfs. */
  layers: 500,
  /** One uncompressed layer: stops decompression bombs. */
  layerUnpacked: 549_755_813_888,
  /** PAX and GNU long-name data of one archive entry. */
  tarHeader: 1_048_576,
  /** A path in an archive or a context: PATH_MAX. */
  path: 4096,
  /** A secret given to a step: BuildKit's 500 KB. */
  secret: 512_000,
  /** The body of an HTTP error that is quoted in a message. */
  errorBody: 65_536,
} as const;
