export { failureError, quoted, statusOf } from "./failure.ts";
export {
  type HttpBody,
  HttpFailure,
  type HttpHeaders,
  type TransportRequest,
  type TransportResponse,
  bodyOf,
  headerOf,
} from "./message.ts";
export { NodeTransport, type Timeouts } from "./node-transport.ts";
export { isLoopback, proxyFromEnvironment } from "./proxy.ts";
export { type Arrived, followRedirects, locationOf } from "./redirect.ts";
export {
  DEFAULT_RETRY,
  type RetryPolicy,
  TryCount,
  type Tries,
  isTransientFailure,
  isTransientStatus,
  pause,
  pauseBefore,
  retryAfter,
} from "./retry.ts";
export { STATUS_CODES } from "./status-text.ts";
export { type HostTrust, TlsTrust } from "./tls-trust.ts";
