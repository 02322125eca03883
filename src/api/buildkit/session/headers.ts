import type { Metadata } from "../../../grpc/index.ts";

/** What a client says about its session when it opens one. */
export interface SessionHeaders {
  readonly id: string;
  /** Identifies the client's machine, so that contexts of the same name are told apart. May be empty. */
  readonly sharedKey: string;
  readonly name: string;
  /** Methods that the client serves, as `/service/Method`. */
  readonly methods: readonly string[];
  /** Milliseconds: interval and time limit of health checks, of which one may fail. Undefined: the default. */
  readonly healthTimeout: number | undefined;
}

const PREFIX = "x-docker-expose-session-";
/** Shortest time for a health check that a client can ask for. */
const SHORTEST_HEALTH = 1000;

/** Reads the metadata of a Session call, or the headers of a request that opens a session. */
export function readSessionHeaders(metadata: Metadata): SessionHeaders {
  const milliseconds = Number(/^\d{1,9}$/.exec(metadata.get("x-buildkit-session-health-custom-timeout") ?? "")?.[0]);
  return {
    id: metadata.get(`${PREFIX}uuid`) ?? "",
    sharedKey: metadata.get(`${PREFIX}sharedkey`) ?? "",
    name: metadata.get(`${PREFIX}name`) ?? "",
    methods: metadata.all(`${PREFIX}grpc-method`),
    healthTimeout: milliseconds > 0 ? Math.max(milliseconds, SHORTEST_HEALTH) : undefined,
  };
}

/** Removes the prefix that tells vertexes with different contexts apart. */
export function sessionIdOf(text: string): string {
  const at = text.indexOf(":");
  return at >= 0 && at + 1 < text.length ? text.slice(at + 1) : text;
}
