export type { CallOptions } from "./client-call.ts";
export { GrpcClient, type GrpcClientOptions } from "./client.ts";
export { GrpcCode, grpcCode } from "./code.ts";
export { GrpcError, type GrpcErrorOptions, isGrpcError, toGrpcError } from "./error.ts";
export { type BidiCall, invoke, invokeBidi, invokeServerStream } from "./invoke.ts";
export { GrpcLimits } from "./limits.ts";
export type { Messages } from "./messages.ts";
export { Metadata } from "./metadata.ts";
export {
  type CallHandler,
  type Codec,
  type Implementation,
  type Method,
  type Send,
  bidiStream,
  clientStream,
  serverStream,
  unary,
} from "./method.ts";
export type { CallContext, ServerCall } from "./server-call.ts";
export { GrpcServer, type GrpcServerOptions } from "./server.ts";
export { type TunnelCall, tunnel } from "./tunnel.ts";
