/** Bounds on what is read from outside. Sizes in bytes. */
export const Limits = {
  /** A manifest or an index: the size registries commonly enforce. */
  manifest: 4_194_304,
  /** An image config. */
  config: 8_388_608,
  /** A Dockerfile, as BuildKit's front end. */
  dockerfile: 2_097_152,
  /** One text of a Dockerfile after its variables were expanded, in characters. */
  expandedText: 1_048_576,
  /** All that is expanded in one Dockerfile: characters put in for variables, and steps of `${name#pattern}` and its kin. */
  expansion: 16_777_216,
  /** Variables of a stage: each step copies them. */
  variables: 4096,
  /** A `.dockerignore` file. */
  ignoreFile: 1_048_576,
  /** The layers of one image: overlayfs takes no more lower directories. */
  layers: 500,
  /** One uncompressed layer; a bomb grows past it. */
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
