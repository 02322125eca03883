/** Bounds on what a peer may send. Sizes are in bytes, times in milliseconds. */
export const GrpcLimits = {
  /** One message, either way. */
  message: 16_777_216,
  /** Messages of all calls of a server that have begun to arrive and are not whole. */
  partialMessages: 268_435_456,
  /** Streams of one connection that a client may have open. Clients hold others back until one ends. */
  streams: 1024,
  connections: 1024,
  /** Header fields of one call: their number, and their size. */
  headerFields: 1024,
  headerBytes: 1_048_576,
  /** Trailers that a server sends: a status may contain a whole Dockerfile. */
  sentHeaderBytes: 16_777_216,
  /** Bytes of one stream, and of one connection, that a peer may send before we have read them. */
  streamWindow: 1_048_576,
  connectionWindow: 16_777_216,
  /** The same for one stream that we opened. */
  clientStreamWindow: 4_194_304,
  /** Memory of one HTTP/2 connection in Node, in megabytes. While it is exceeded, new streams are refused. */
  connectionMegabytes: 256,
  /** Time until a new connection has sent its HTTP/2 settings. */
  handshake: 20_000,
  /** Time for aborted calls to clean up before a stopping server closes their connections. */
  linger: 5000,
} as const;
